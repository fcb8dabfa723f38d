package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ticketing/pkg/fault"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// decision is what one entity's deliveries make of its image, and what that asks of the lot. Nothing of it is stored
// yet.
type decision[T any] struct {
	img *image[T]
	// aside are the conflicts to park before the record is written; so are img.waiting.fresh.
	aside []parking.Entry
	// attempts are the failures to count before the record is written.
	attempts []attempt[T]
	// settled are events that the lot may hold a note of, which is out of date once the record is written.
	settled []parking.Entry
	// last is the delivery that a failure among the kept and parked events keeps un-acked.
	last *delivery[T]
}

// attempt is one failure of one event: of a delivery, or of an event that was kept or parked.
type attempt[T any] struct {
	entry    parking.Entry
	cause    error
	delivery *delivery[T] // stays un-acked unless the event is parked; may be nil
	kept     bool         // drop it from the record if it is parked
}

// decideGroup applies one entity's deliveries to its image and sets their verdicts.
func (r *Replica[T]) decideGroup(ctx context.Context, img *image[T], g group[T]) decision[T] {
	d := decision[T]{img: img, last: g.last}
	for _, delivered := range g.deliveries {
		before := len(img.released)
		r.decide(ctx, &d, delivered)
		delivered.released = slices.Clone(img.released[before:])
	}
	if g.goesOn {
		img.drain(ctx)
	}
	if g.last != nil {
		g.last.outcome, g.last.released = nil, append(slices.Clone(g.released), img.released...)
	}
	r.finish(&d)
	return d
}

// decide takes one delivery and then the kept and parked events that have become next.
func (r *Replica[T]) decide(ctx context.Context, d *decision[T], delivered *delivery[T]) {
	img, version := d.img, delivered.change.Version
	ev := r.eventOf(delivered)
	verdict, cause := img.take(ctx, delivered.change, ev)
	delivered.verdict, delivered.outcome, delivered.inLot = verdict, nil, errors.Is(cause, errNoRoom)
	switch {
	case verdict == Conflict:
		d.aside = append(d.aside, conflict(r.entry(img.id, version, ev)))
		return
	case delivered.inLot:
		return
	case verdict == Failed:
		delivered.outcome = cause
		d.attempts = append(d.attempts, attempt[T]{entry: r.entry(img.id, version, ev), cause: cause, delivery: delivered})
		return
	case verdict == Apply || verdict == Stale:
		d.last = delivered
	}
	if delivered.parked || (verdict != Early && delivered.message.Attempt > 1) {
		d.settled = append(d.settled, r.entry(img.id, version, ev))
	}
	img.drain(ctx)
}

// finish takes over what became of the events that were kept or parked.
func (r *Replica[T]) finish(d *decision[T]) {
	img := d.img
	for _, entry := range img.conflicts {
		d.aside = append(d.aside, conflict(entry))
	}
	d.settled = append(d.settled, img.waiting.passed...)
	if r.kind.React != nil { // else no attempt at a kept event can have failed
		for _, early := range img.released {
			d.settled = append(d.settled, r.entry(img.id, early.version, early.event))
		}
	}
	if f := img.failing; f != nil {
		if d.last != nil {
			d.last.outcome = f.cause
		}
		d.attempts = append(d.attempts, attempt[T]{entry: r.entry(img.id, f.version, f.event), cause: f.cause, delivery: d.last, kept: true})
	}
	if img.overflow && img.waiting.none() {
		img.overflow, img.dirty = false, true
	}
}

// unfinished reports whether parked events may be next that were not read yet.
func (d decision[T]) unfinished() bool { return d.img.failing == nil && d.img.waiting.unread() }

// rest is what is left to do of an unfinished group.
func (d decision[T]) rest(g group[T]) group[T] {
	rest := group[T]{id: g.id, goesOn: true, last: d.last}
	if d.last != nil {
		rest.released = d.last.released
	}
	return rest
}

// conflict is the entry of an event whose version was seen with other content.
func conflict(entry parking.Entry) parking.Entry {
	entry.Reason = parking.Conflict
	entry.Error = fmt.Sprintf("version %d was seen with other content", entry.Version)
	return entry
}

// isAway reports whether an attempt says nothing about the event: the store did not serve it, the outbox of an entity
// that a reaction changes has no room until the bus has taken some of it, or the attempt was given up.
func isAway(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || fault.KindOf(err) == fault.Unavailable ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
