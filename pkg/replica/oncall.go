package replica

import (
	"context"
	"fmt"
	"slices"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// Name is the kind's: "ticket".
func (r *Replica[T]) Name() string { return r.kind.Name }

// Subjects are the channels the kind's events come on.
func (r *Replica[T]) Subjects() []event.Subject { return slices.Clone(r.kind.Subjects) }

// Retry runs a parked event through the same handling as a delivery, and returns its verdict. Where it
// is Apply, Stale or Early the event is no longer parked; otherwise it stays so, with one more attempt
// and the latest reason. store.ErrNotFound where it is not parked; ErrForeign where this kind has no
// such channel.
func (r *Replica[T]) Retry(ctx context.Context, id string) (Verdict, error) {
	entry, err := r.parking.Get(ctx, id)
	if err != nil {
		return 0, err
	}
	subject := event.Subject(entry.Channel)
	if !slices.Contains(r.kind.Subjects, subject) {
		return 0, fmt.Errorf("retry %s: %w %s", id, ErrForeign, entry.Channel)
	}
	d := &delivery[T]{
		message: bus.Message{Channel: entry.Channel, Sequence: entry.Sequence, Attempt: entry.Attempts + 1, Data: entry.Data},
		settle:  func(error) {}, // nobody waits for it: it was acknowledged when it was parked
	}
	d.change, d.poison = r.kind.Decode(subject, entry.Data)
	if err := r.handle(ctx, []*delivery[T]{d}); err != nil {
		return Failed, err
	}
	if d.verdict == Early && !d.full {
		return Early, r.parking.settled(ctx, []store.Event{entry.event()}) // its record keeps it now
	}
	return d.verdict, nil
}

// ErrForeign: the event is not of a kind that the replica keeps.
var ErrForeign = fmt.Errorf("no event of this kind is on channel")

// Gap is an entity that waits for a version.
type Gap struct {
	// Entity is "ticket/<id>".
	Entity string `json:"entity"`
	// WaitsFor is the version that has not come, and Since is when the first event behind it came, or the present
	// time where that is said to be still to come.
	WaitsFor event.Version `json:"waitsFor"`
	Since    time.Time     `json:"since"`
	// Kept counts the events behind it that the record keeps; with More others are parked.
	Kept int  `json:"kept"`
	More bool `json:"more"`
}

// Gaps returns entities that have waited for a version since before the given time, at most limit of them.
// It reads only records that wait. One that is said to begin later than now, because the clock was set back, has
// an age that nobody knows: it counts where it is as far ahead as before is behind. So the clock cannot hide a
// gap for longer than that, and a clock of another member that is a little ahead does not make one old.
func (r *Replica[T]) Gaps(ctx context.Context, before time.Time, limit int) ([]Gap, error) {
	const page = 200
	var gaps []Gap
	now := r.config.Now()
	ahead := now.Add(now.Sub(before))
	for _, value := range []string{gapKept, gapParked} {
		if len(gaps) >= limit {
			break
		}
		q := store.Query{Index: gapIndex, Value: value, Limit: page}
		for {
			records, err := r.records().List(ctx, q)
			if err != nil {
				return nil, fmt.Errorf("list gaps of %s: %w", r.kind.Name, err)
			}
			for _, record := range records {
				gap, err := r.gapOf(ctx, record)
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

// gapOf tells what a record waits for. Since is zero where it waits for nothing: its last parked event has
// been applied, and the mark goes with the entity's next event.
func (r *Replica[T]) gapOf(ctx context.Context, record store.Record) (Gap, error) {
	gap := Gap{
		Entity: r.entity(event.ID(record.ID)), WaitsFor: event.Version(record.Version).Next(),
		Kept: len(record.Early), More: record.Index[gapIndex] == gapParked,
	}
	for _, ev := range record.Early {
		if gap.Since.IsZero() || ev.At.Before(gap.Since) {
			gap.Since = ev.At
		}
	}
	if !gap.More || gap.Kept > 0 {
		return gap, nil
	}
	parked, err := r.parking.earlyOf(ctx, gap.Entity)
	for _, p := range parked {
		if p.Version >= gap.WaitsFor && (gap.Since.IsZero() || p.First.Before(gap.Since)) {
			gap.Since = p.First
		}
	}
	return gap, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
