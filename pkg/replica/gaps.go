package replica

import (
	"context"
	"fmt"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/decide"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
)

// Gap is an entity that waits for a version.
type Gap struct {
	// Entity is "ticket/<id>".
	Entity string `json:"entity"`
	// WaitsFor is the version that has not come. Since is when the first event behind it came, or the present time if
	// that is said to be still to come.
	WaitsFor event.Version `json:"waitsFor"`
	Since    time.Time     `json:"since"`
	// Kept counts the events behind it that the record keeps; with More others are parked.
	Kept int  `json:"kept"`
	More bool `json:"more"`
}

// Gaps returns entities that have waited for a version since before the given time, at most limit of them. It reads
// only records that wait. One that is said to begin later than now, because the clock was set back, has an unknown
// age: it is reported once it is as far ahead of now as before is behind. So the clock cannot hide a gap for longer
// than that, and a clock of another member that is a little ahead does not make one old.
func (r *Replica[T]) Gaps(ctx context.Context, before time.Time, limit int) ([]Gap, error) {
	const page = 200
	var gaps []Gap
	now := r.config.Now()
	ahead := now.Add(now.Sub(before))
	present := r.generations.Present()
	for _, value := range []string{decide.GapKept, decide.GapParked} {
		if len(gaps) >= limit {
			break
		}
		q := store.Query{Index: decide.GapIndex, Value: value, Limit: page}
		for {
			records, err := present.Records.List(ctx, q)
			if err != nil {
				return nil, fmt.Errorf("list gaps of %s: %w", r.kind.Name, err)
			}
			for _, record := range records {
				gap, err := gapOf(ctx, r.kind.Name, present, record)
				if err != nil {
					return nil, err
				}
				if !gap.Since.IsZero() && (gap.Since.Before(before) || gap.Since.After(ahead)) {
					gap.Since = earlier(gap.Since, now)
					gaps = append(gaps, gap)
				}
				if len(gaps) == limit {
					return gaps, nil
				}
			}
			if len(records) < page {
				break
			}
			q.After = records[page-1].ID
		}
	}
	return gaps, nil
}

// gapOf returns what a record waits for. Since is zero if it waits for nothing: its last parked event has been
// applied, and the mark goes with the entity's next event.
func gapOf(ctx context.Context, kind string, g *generation.Generation, record store.Record) (Gap, error) {
	gap := Gap{
		Entity: decide.EntityName(kind, event.ID(record.ID)), WaitsFor: event.Version(record.Version).Next(),
		Kept: len(record.Early), More: record.Index[decide.GapIndex] == decide.GapParked,
	}
	for _, ev := range record.Early {
		if gap.Since.IsZero() || ev.At.Before(gap.Since) {
			gap.Since = ev.At
		}
	}
	if !gap.More || gap.Kept > 0 {
		return gap, nil
	}
	err := g.Lot.EachEarly(ctx, gap.Entity, func(e parking.Entry) bool {
		if e.Version >= gap.WaitsFor && (gap.Since.IsZero() || e.First.Before(gap.Since)) {
			gap.Since = e.First
		}
		return true
	})
	return gap, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
