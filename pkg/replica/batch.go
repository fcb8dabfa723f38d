package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// delivery is one event on its way from the bus into the store.
type delivery[T any] struct {
	message bus.Message
	settle  bus.Settle
	change  Change[T] // valid where poison is nil
	poison  error

	verdict Verdict
	// full says that an early event found no room in its record and was parked.
	full bool
	// released are the events that were kept or parked until this one came.
	released []released
	// outcome is what settle is called with once the batch is stored.
	outcome error
}

// group is the deliveries of one entity, in the order they came.
type group[T any] struct {
	id         event.ID
	deliveries []*delivery[T]
}

// handle decides on a batch, stores it and settles every delivery in it. It returns an error when the
// store could not serve it; then nothing that was not seen to be stored has been acknowledged.
func (r *Replica[T]) handle(ctx context.Context, batch []*delivery[T]) error {
	err := r.storeBatch(ctx, batch)
	for _, d := range batch {
		if err != nil {
			d.verdict, d.released, d.outcome = Failed, nil, err
		}
		r.verdicts.add(d.verdict)
		for range d.released {
			r.verdicts.add(Apply)
		}
		r.logVerdict(ctx, d)
		d.settle(d.outcome)
	}
	return err
}

func (r *Replica[T]) storeBatch(ctx context.Context, batch []*delivery[T]) error {
	if err := r.parkPoison(ctx, batch); err != nil {
		return err
	}
	groups := groupByEntity(batch)
	if len(groups) == 0 {
		return nil
	}
	for {
		if err := r.storeGroups(ctx, groups); err != nil {
			return err
		}
		if moved, err := r.follow(ctx); err != nil || !moved {
			return err
		}
	}
}

func (r *Replica[T]) parkPoison(ctx context.Context, batch []*delivery[T]) error {
	parking, ctx := errgroup.WithContext(ctx)
	parking.SetLimit(64) // concurrent writes share one fsync
	for _, d := range batch {
		if d.poison == nil {
			continue
		}
		d.verdict, d.outcome = Poison, nil
		parking.Go(func() error {
			return r.parking.park(ctx, r.eventOf(d), "", event.None, ReasonPoison, d.poison)
		})
	}
	return parking.Wait()
}

func groupByEntity[T any](batch []*delivery[T]) []group[T] {
	var groups []group[T]
	index := make(map[event.ID]int, len(batch))
	for _, d := range batch {
		if d.poison != nil {
			continue
		}
		at, ok := index[d.change.ID]
		if !ok {
			at = len(groups)
			index[d.change.ID] = at
			groups = append(groups, group[T]{id: d.change.ID})
		}
		groups[at].deliveries = append(groups[at].deliveries, d)
	}
	return groups
}

// storeGroups reads the records of the groups, decides, and writes what changed in one go. Where another
// member was first, each group is read and decided again by itself.
func (r *Replica[T]) storeGroups(ctx context.Context, groups []group[T]) error {
	for {
		applied, err := r.tryGroups(ctx, groups)
		switch {
		case err == nil:
			return r.parking.settled(ctx, applied)
		case !errors.Is(err, store.ErrConflict):
			return err
		case len(groups) > 1:
			for i := range groups {
				if err := r.storeGroups(ctx, groups[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		}
		r.log.Debug("another member was first; deciding again", "id", groups[0].id)
	}
}

// tryGroups returns the events applied now of which parking may hold a note.
func (r *Replica[T]) tryGroups(ctx context.Context, groups []group[T]) (applied []store.Event, err error) {
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = string(g.id)
	}
	records, err := r.records().GetMany(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read %s replicas: %w", r.kind.Name, err)
	}
	writes := make([]store.Write, 0, len(groups))
	for _, g := range groups {
		img := newImage(&r.kind, g.id, records[string(g.id)])
		noted, err := r.decideGroup(ctx, img, g)
		if err != nil {
			return nil, err
		}
		applied = append(applied, noted...)
		if !img.dirty {
			continue
		}
		w, err := img.write()
		if err != nil {
			return nil, err
		}
		writes = append(writes, w)
	}
	if len(writes) == 0 {
		return applied, nil
	}
	if err := r.records().PutMany(ctx, writes); err != nil {
		return nil, fmt.Errorf("write %s replicas: %w", r.kind.Name, err)
	}
	return applied, nil
}

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

func (r *Replica[T]) entity(id event.ID) string { return r.kind.Name + "/" + string(id) }

func (r *Replica[T]) eventOf(d *delivery[T]) store.Event {
	return store.Event{Channel: d.message.Channel, Sequence: d.message.Sequence, At: r.config.Now(), Data: d.message.Data}
}

// logVerdict writes the one line of a decision: at warn where a person may have to act, else at debug.
func (r *Replica[T]) logVerdict(ctx context.Context, d *delivery[T]) {
	level := slog.LevelDebug
	givenUp := d.verdict == Failed && d.outcome == nil
	if d.verdict == Poison || d.verdict == Conflict || givenUp {
		level = slog.LevelWarn
	}
	if !r.log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("subject", d.message.Channel), slog.Uint64("sequence", d.message.Sequence),
		slog.String("verdict", d.verdict.String())}
	if d.poison == nil {
		attrs = append(attrs, slog.String("id", string(d.change.ID)), slog.Int64("version", int64(d.change.Version)))
	}
	if cause := errors.Join(d.poison, d.outcome); cause != nil {
		attrs = append(attrs, slog.Any("error", cause))
	}
	r.log.LogAttrs(ctx, level, "event", attrs...)
	for _, early := range d.released {
		r.log.LogAttrs(ctx, slog.LevelDebug, "early event", slog.String("subject", early.event.Channel),
			slog.Uint64("sequence", early.event.Sequence), slog.String("verdict", Apply.String()),
			slog.String("id", string(d.change.ID)), slog.Int64("version", int64(early.version)))
	}
}
