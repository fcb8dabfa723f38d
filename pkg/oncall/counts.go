package oncall

import (
	"context"
	"time"
)

// Handled counts the events handled since the start, by kind and verdict.
func (d *Desk) Handled() map[string]map[string]uint64 {
	handled := make(map[string]map[string]uint64, len(d.Kinds))
	for _, k := range d.Kinds {
		counts := make(map[string]uint64)
		for verdict, count := range k.Verdicts() {
			counts[verdict.String()] = count
		}
		handled[k.Name()] = counts
	}
	return handled
}

// Lost counts the events known to be lost and not yet mended, by kind. It leaves out a kind that cannot be read.
func (d *Desk) Lost(ctx context.Context) map[string]uint64 {
	lost := make(map[string]uint64, len(d.Kinds))
	for _, k := range d.Kinds {
		if loss, err := k.Loss(ctx); err == nil {
			lost[k.Name()] = loss.Events
		}
	}
	return lost
}

// CountGaps counts the entities that have waited for a version for longer than age, at most limit.
func (d *Desk) CountGaps(ctx context.Context, age time.Duration, limit int) (int, error) {
	found, err := d.findGaps(ctx, age, limit)
	return len(found), err
}

// CountParked counts the parked events, at most limit of each kind.
func (d *Desk) CountParked(ctx context.Context, limit int) (all int, err error) {
	for _, k := range d.Kinds {
		n, err := k.Parking().Count(ctx, limit)
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, nil
}
