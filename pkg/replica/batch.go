package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// delivery is one event on its way from the bus into the store.
type delivery[T any] struct {
	message bus.Message
	settle  bus.Settle
	taken   time.Time // when the bus handed it over
	number  uint64    // among all that were put into the queue
	change  Change[T] // valid where poison is nil
	poison  error

	verdict Verdict
	// full says that an early event found no room in its record and was parked; parked, that it was so
	// at an earlier decision, so that parking holds it whatever is decided now.
	full, parked bool
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
		written := r.present.Load()
		if err := r.storeGroups(ctx, written.records, groups); err != nil {
			return err
		}
		if present, err := r.follow(ctx); err != nil || present.number == written.number {
			return err
		}
	}
}

func (r *Replica[T]) parkPoison(ctx context.Context, batch []*delivery[T]) error {
	var poison []setAside
	for _, d := range batch {
		if d.poison != nil {
			d.verdict, d.outcome = Poison, nil
			poison = append(poison, setAside{r.eventOf(d), "", event.None, ReasonPoison, d.poison})
		}
	}
	return r.parking.parkAll(ctx, poison)
}

// groupByEntity returns the valid deliveries by entity, in order of the ids, as a batch from the queue has them.
func groupByEntity[T any](batch []*delivery[T]) []group[T] {
	isPoison := func(d *delivery[T]) bool { return d.poison != nil }
	byEntity := func(a, b *delivery[T]) int { return cmp.Compare(a.change.ID, b.change.ID) }
	if slices.ContainsFunc(batch, isPoison) {
		batch = slices.DeleteFunc(slices.Clone(batch), isPoison)
	}
	if !slices.IsSortedFunc(batch, byEntity) {
		batch = slices.Clone(batch)
		slices.SortStableFunc(batch, byEntity)
	}
	groups := make([]group[T], 0, len(batch))
	for at := 0; at < len(batch); {
		of := entityAt(batch, at)
		groups = append(groups, group[T]{of[0].change.ID, of})
		at += len(of)
	}
	return groups
}

// togetherTries is how often groups are decided on together. With two members most batches have an entity that
// the other was first at, and each time fewer are left; one by one, each would be a write of its own.
const togetherTries = 5

// storeGroups reads the records of the groups, decides, and writes what changed in one go; and again what
// another member was first at. Where that does not end, or one of them cannot be stored, each group is read and
// decided by itself.
func (r *Replica[T]) storeGroups(ctx context.Context, records store.Collection, groups []group[T]) error {
	for try := 1; ; try++ {
		noted, left, err := r.tryGroups(ctx, records, groups)
		if isAway(err) {
			return err
		}
		if err := r.parking.settled(ctx, noted); err != nil {
			return err
		}
		groups = left
		conflict := errors.Is(err, store.ErrConflict)
		switch {
		case len(groups) == 0:
			return nil
		case len(groups) > 1 && (!conflict || try >= togetherTries):
			for i := range groups {
				if err := r.storeGroups(ctx, records, groups[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		case !conflict:
			return r.refused(ctx, groups[0], err)
		}
		r.log.Debug("another member was first; deciding again", "entities", len(groups), "id", groups[0].id)
	}
}

// refused counts an attempt of every event of an entity that the store will not take, so that one entity
// does not keep the others waiting.
func (r *Replica[T]) refused(ctx context.Context, g group[T], cause error) error {
	for _, d := range g.deliveries {
		parked, err := r.failed(ctx, g.id, d.change.Version, r.eventOf(d), cause)
		if err != nil {
			return err
		}
		d.verdict, d.released, d.outcome = Failed, nil, cause
		if parked {
			d.outcome = nil
		}
	}
	return nil
}

// tryGroups returns the events that have been handled now and of which parking may hold a note, and with an
// error the groups that are left: those that were refused, where the store says which, else all.
func (r *Replica[T]) tryGroups(ctx context.Context, records store.Collection, groups []group[T]) (noted []store.Event, left []group[T], err error) {
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = string(g.id)
	}
	found, err := records.GetMany(ctx, ids)
	if err != nil {
		return nil, groups, fmt.Errorf("read %s replicas: %w", r.kind.Name, err)
	}
	decided := make([]outcomes, len(groups))
	var aside []setAside
	writes := make([]store.Write, 0, len(groups))
	for i, g := range groups {
		img := newImage(&r.kind, g.id, found[string(g.id)])
		if err := r.decideGroup(ctx, img, g, &decided[i]); err != nil {
			return nil, groups, err
		}
		aside = append(aside, decided[i].aside...)
		if !img.dirty {
			continue
		}
		w, err := img.write()
		if err != nil {
			return nil, groups, err
		}
		writes = append(writes, w)
	}
	// Parked before the write that says so: a crash between leaves a note too many, never one too few.
	if err := r.parking.parkAll(ctx, aside); err != nil {
		return nil, groups, err
	}
	if len(writes) > 0 {
		err = records.PutMany(ctx, writes)
	}
	refused := refusedIDs(err, groups)
	for i, g := range groups {
		if refused[string(g.id)] {
			left = append(left, g)
			continue
		}
		noted = append(noted, decided[i].noted...)
	}
	if err != nil {
		err = fmt.Errorf("write %s replicas: %w", r.kind.Name, err)
	}
	return noted, left, err
}

// refusedIDs are the entities of which a write is not known to be stored.
func refusedIDs[T any](err error, groups []group[T]) map[string]bool {
	if err == nil {
		return nil
	}
	refused := map[string]bool{}
	var some *store.Refused
	if errors.As(err, &some) {
		for _, id := range some.IDs {
			refused[id] = true
		}
		return refused
	}
	for _, g := range groups {
		refused[string(g.id)] = true
	}
	return refused
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
