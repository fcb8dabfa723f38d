package replica

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// delivery is one event on its way from the bus into the store.
type delivery[T any] struct {
	message bus.Message
	settle  bus.Settle
	taken   time.Time // when the bus handed it over
	number  uint64    // among all that were put into the queue
	change  Change[T] // valid if poison is nil
	poison  error
	// limit is how often the event may fail before it is parked; 0 stands for the replica's.
	limit int

	verdict Verdict
	// inLot reports that it came early and that not the record keeps it but the lot. parked reports that it was so at an
	// earlier decision: then the lot has it, whatever is decided now.
	inLot, parked bool
	// released are the events that were kept or parked until this one came.
	released []released
	// outcome is what settle is called with once the batch is stored.
	outcome error
}

// group is the deliveries of one entity, in the order they came.
type group[T any] struct {
	id         event.ID
	deliveries []*delivery[T]
	// goesOn reports that they were written, and that parked events behind them are applied now. last is the delivery
	// that made those next, and released what it has released before; nil if it is none of this batch.
	goesOn   bool
	last     *delivery[T]
	released []released
}

// handle decides on a batch, stores it and settles every delivery in it. It returns an error if the store could not
// serve it; then nothing that was not seen to be stored has been acknowledged.
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

// storeBatch stores a batch in the present generation, and again if another one has become that meanwhile.
func (r *Replica[T]) storeBatch(ctx context.Context, batch []*delivery[T]) error {
	for {
		h := handling[T]{Replica: r, generation: r.present.Load(), counted: map[string]bool{}}
		if err := h.parkPoison(ctx, batch); err != nil {
			return err
		}
		if groups := groupByEntity(batch); len(groups) > 0 {
			if err := h.storeGroups(ctx, groups); err != nil {
				return err
			}
		}
		if present, err := r.follow(ctx); err != nil || present.number == h.generation.number {
			return err
		}
	}
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
		groups = append(groups, group[T]{id: of[0].change.ID, deliveries: of})
		at += len(of)
	}
	return groups
}

func (r *Replica[T]) eventOf(d *delivery[T]) store.Event {
	return store.Event{Channel: d.message.Channel, Sequence: d.message.Sequence, At: r.config.Now(), Data: d.message.Data}
}

// entry is an event of an entity as the lot knows it.
func (r *Replica[T]) entry(id event.ID, version event.Version, ev store.Event) parking.Entry {
	return parking.Entry{Channel: ev.Channel, Sequence: ev.Sequence, Entity: entityName(r.kind.Name, id), Version: version, Data: ev.Data}
}

// logVerdict writes the one line of a decision: at warn if a person may have to act, else at debug.
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
