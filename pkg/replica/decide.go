package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// decideGroup applies one entity's deliveries to its image, sets their verdicts and outcomes, and returns
// the events of which parking may hold a note that is then out of date.
func (r *Replica[T]) decideGroup(ctx context.Context, img *image[T], g group[T]) (noted []store.Event, err error) {
	for _, d := range g.deliveries {
		before := len(img.released)
		if err := r.decide(ctx, img, d); err != nil {
			return nil, err
		}
		handled := d.verdict == Apply || d.verdict == Stale
		if handled && d.message.Attempt > 1 {
			noted = append(noted, r.eventOf(d))
		}
		if handled && img.overflow {
			unneeded, err := r.unpark(ctx, img, d)
			if err != nil {
				return nil, err
			}
			noted = append(noted, unneeded...)
		}
		d.released = img.released[before:]
	}
	if r.kind.React != nil { // else no attempt at a kept event can have failed
		for _, early := range img.released {
			noted = append(noted, early.event)
		}
	}
	return noted, nil
}

// decide takes one delivery and then whatever kept events have become next.
func (r *Replica[T]) decide(ctx context.Context, img *image[T], d *delivery[T]) error {
	ev := r.eventOf(d)
	verdict, cause := img.take(ctx, d.change, ev)
	d.verdict, d.outcome, d.full = verdict, nil, errors.Is(cause, errNoRoom)
	switch {
	case verdict == Conflict:
		cause = fmt.Errorf("version %d was seen with other content", d.change.Version)
		return r.parking.park(ctx, ev, r.entity(img.id), d.change.Version, ReasonConflict, cause)
	case d.full:
		return r.parking.park(ctx, ev, r.entity(img.id), d.change.Version, ReasonEarly, cause)
	case verdict == Failed:
		parked, err := r.failed(ctx, img.id, d.change.Version, ev, cause)
		if !parked {
			d.outcome = cause
		}
		return err
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
	if errors.Is(cause, store.ErrUnavailable) || errors.Is(cause, context.Canceled) || errors.Is(cause, context.DeadlineExceeded) {
		return false, cause
	}
	return r.parking.fail(ctx, ev, r.entity(id), version, cause, r.config.MaxAttempts)
}
