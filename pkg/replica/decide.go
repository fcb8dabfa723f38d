package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/store"
)

// outcomes is what deciding on some groups asks of parking.
type outcomes struct {
	// aside are the events to park before the records are written.
	aside []setAside
	// noted are the events of which parking may hold a note that is out of date once they are written.
	noted []store.Event
}

// decideGroup applies one entity's deliveries to its image and sets their verdicts and outcomes.
func (r *Replica[T]) decideGroup(ctx context.Context, img *image[T], g group[T], out *outcomes) error {
	var handled *delivery[T] // the last that was applied, now or before
	for _, d := range g.deliveries {
		before := len(img.released)
		if err := r.decide(ctx, img, d, out); err != nil {
			return err
		}
		d.released = img.released[before:]
		if d.verdict == Apply || d.verdict == Stale {
			handled = d
		}
	}
	if handled != nil && img.overflow {
		before := len(img.released)
		unneeded, err := r.unpark(ctx, img, handled)
		if err != nil {
			return err
		}
		out.noted = append(out.noted, unneeded...)
		handled.released = append(slices.Clone(handled.released), img.released[before:]...)
	}
	if r.kind.React != nil { // else no attempt at a kept event can have failed
		for _, early := range img.released {
			out.noted = append(out.noted, early.event)
		}
	}
	return nil
}

// decide takes one delivery and then whatever kept events have become next.
func (r *Replica[T]) decide(ctx context.Context, img *image[T], d *delivery[T], out *outcomes) error {
	ev := r.eventOf(d)
	verdict, cause := img.take(ctx, d.change, ev)
	d.verdict, d.outcome, d.full = verdict, nil, errors.Is(cause, errNoRoom)
	switch {
	case verdict == Conflict:
		cause = fmt.Errorf("version %d was seen with other content", d.change.Version)
		out.aside = append(out.aside, setAside{ev, r.entity(img.id), d.change.Version, ReasonConflict, cause})
		return nil
	case d.full:
		d.parked = true
		out.aside = append(out.aside, setAside{ev, r.entity(img.id), d.change.Version, ReasonEarly, cause})
		return nil
	case verdict == Failed:
		parked, err := r.failed(ctx, img.id, d.change.Version, ev, cause)
		if !parked {
			d.outcome = cause
		}
		return err
	}
	if d.parked || (verdict != Early && d.message.Attempt > 1) {
		out.noted = append(out.noted, ev)
	}
	outcome, err := r.drain(ctx, img)
	d.outcome = outcome
	return err
}

// drain applies the kept events that are next. One that fails is counted; outcome is then its error, so
// that the delivery that led here comes again and with it the next attempt. At the limit the event is
// parked and no longer kept.
func (r *Replica[T]) drain(ctx context.Context, img *image[T]) (outcome, err error) {
	ev, cause := img.drain(ctx)
	if cause == nil {
		return nil, nil
	}
	version := img.version.Next()
	parked, err := r.failed(ctx, img.id, version, ev, cause)
	if err != nil || !parked {
		return cause, err
	}
	img.drop(int64(version))
	return nil, nil
}

// unpark applies the parked early events that are next after d, each followed by the kept ones behind it. It
// returns those that are no longer needed; they are removed only after the record has been written.
func (r *Replica[T]) unpark(ctx context.Context, img *image[T], d *delivery[T]) (unneeded []store.Event, err error) {
	entries, err := r.parking.earlyOf(ctx, r.entity(img.id))
	if err != nil {
		return nil, err
	}
	if len(entries) == 0 {
		img.overflow, img.dirty = false, true
		return nil, nil
	}
	slices.SortFunc(entries, func(a, b Parked) int { return cmp.Compare(a.Version, b.Version) })
	for _, entry := range entries {
		switch next := img.version.Next(); {
		case entry.Version > next:
			return unneeded, nil
		case entry.Version == next:
			if cause := img.applyEvent(ctx, entry.event()); cause != nil {
				parked, err := r.failed(ctx, img.id, next, entry.event(), cause)
				if !parked {
					d.outcome = cause
				}
				return unneeded, err
			}
			if d.outcome, err = r.drain(ctx, img); d.outcome != nil || err != nil {
				return unneeded, err
			}
		}
		unneeded = append(unneeded, entry.event())
	}
	return unneeded, nil
}

// failed counts an attempt, unless it is the store that failed: then it returns that error and counts
// nothing, however long it lasts.
func (r *Replica[T]) failed(ctx context.Context, id event.ID, version event.Version, ev store.Event, cause error) (parked bool, err error) {
	if isAway(cause) {
		return false, cause
	}
	return r.parking.fail(ctx, ev, r.entity(id), version, cause, r.config.MaxAttempts)
}

// isAway tells an attempt that says nothing about the event: the store did not serve it, the outbox of an entity
// that a reaction changes has no room until the bus has taken some of it, or the attempt was given up.
func isAway(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || fault.KindOf(err) == fault.Unavailable ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
