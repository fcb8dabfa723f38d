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
	"ticketing/pkg/replica/internal/decide"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/replica/internal/lanes"
	"ticketing/pkg/store"
)

// delivery is one event on its way from the bus into the store.
type delivery[T any] struct {
	decide.Delivery[T]
	message bus.Message
	settle  bus.Settle
	taken   time.Time // when the bus handed it over
	poison  error     // Change is valid if it is nil
}

// newDelivery decodes a message.
func newDelivery[T any](kind Kind[T], now func() time.Time, subject event.Subject, m bus.Message, settle bus.Settle) *delivery[T] {
	d := &delivery[T]{message: m, settle: settle, taken: now()}
	d.Event = store.Event{Channel: m.Channel, Sequence: m.Sequence, At: d.taken, Data: m.Data}
	d.Again = m.Attempt > 1
	d.Change, d.poison = kind.Decode(subject, m.Data)
	return d
}

// Entity implements queue.Event. Poison has none.
func (d *delivery[T]) Entity() event.ID { return d.Change.ID }

// Size implements lanes.Event.
func (d *delivery[T]) Size() int { return len(d.message.Data) }

// Refuse implements lanes.Event.
func (d *delivery[T]) Refuse(err error) { d.settle(err) }

// handler brings what comes on a channel to lanes.
func (r *Replica[T]) handler(subject event.Subject, into *lanes.Lanes[*delivery[T]]) bus.Handler {
	return func(ctx context.Context, m bus.Message, settle bus.Settle) {
		into.Put(ctx, newDelivery(r.kind, r.config.Now, subject, m, settle))
	}
}

// handle decides on a batch, stores it in the present generation, and again if another one has become that meanwhile,
// and settles every delivery in it. It returns an error if the store could not serve it; then nothing that was not seen
// to be stored has been acknowledged.
func (r *Replica[T]) handle(ctx context.Context, batch []*delivery[T]) error {
	for {
		written := r.generations.Present()
		err := r.handling(written).store(ctx, batch)
		if err == nil {
			var present *generation.Generation
			if present, err = r.generations.Follow(ctx); err == nil && present.Number != written.Number {
				continue
			}
		}
		r.settle(ctx, batch, err)
		return err
	}
}

// handleIn does so in a generation that a rebuild fills.
func (r *Replica[T]) handleIn(ctx context.Context, filled *generation.Generation, batch []*delivery[T]) error {
	err := r.handling(filled).store(ctx, batch)
	r.settle(ctx, batch, err)
	return err
}

// settle settles every delivery of a batch that was stored, or not with this error.
func (r *Replica[T]) settle(ctx context.Context, batch []*delivery[T], err error) {
	for _, d := range batch {
		if err != nil {
			d.Verdict, d.Released, d.Outcome = Failed, nil, err
		}
		r.counts[d.Verdict].Add(1)
		r.counts[Apply].Add(uint64(len(d.Released)))
		d.logVerdict(ctx, r.log)
		d.settle(d.Outcome)
	}
}

// groupByEntity returns the valid deliveries by entity, in order of the ids, as a batch from the queue has them.
func groupByEntity[T any](batch []*delivery[T]) []decide.Group[T] {
	valid := make([]*decide.Delivery[T], 0, len(batch))
	for _, d := range batch {
		if d.poison == nil {
			valid = append(valid, &d.Delivery)
		}
	}
	byEntity := func(a, b *decide.Delivery[T]) int { return cmp.Compare(a.Change.ID, b.Change.ID) }
	if !slices.IsSortedFunc(valid, byEntity) {
		slices.SortStableFunc(valid, byEntity)
	}
	groups := make([]decide.Group[T], 0, len(valid))
	for from, to := 0, 0; from < len(valid); from = to {
		id := valid[from].Change.ID
		for to = from; to < len(valid) && valid[to].Change.ID == id; to++ {
		}
		groups = append(groups, decide.Group[T]{ID: id, Deliveries: valid[from:to]})
	}
	return groups
}

// logVerdict writes the one line of a decision: at warn if a person may have to act, else at debug.
func (d *delivery[T]) logVerdict(ctx context.Context, log *slog.Logger) {
	level := slog.LevelDebug
	givenUp := d.Verdict == Failed && d.Outcome == nil
	if d.Verdict == Poison || d.Verdict == Conflict || givenUp {
		level = slog.LevelWarn
	}
	if !log.Enabled(ctx, level) {
		return
	}
	attrs := []slog.Attr{slog.String("subject", d.message.Channel), slog.Uint64("sequence", d.message.Sequence),
		slog.String("verdict", d.Verdict.String())}
	if d.poison == nil {
		attrs = append(attrs, slog.String("id", string(d.Change.ID)), slog.Int64("version", int64(d.Change.Version)))
	}
	if cause := errors.Join(d.poison, d.Outcome); cause != nil {
		attrs = append(attrs, slog.Any("error", cause))
	}
	log.LogAttrs(ctx, level, "event", attrs...)
	for _, early := range d.Released {
		log.LogAttrs(ctx, slog.LevelDebug, "early event", slog.String("subject", early.Event.Channel),
			slog.Uint64("sequence", early.Event.Sequence), slog.String("verdict", Apply.String()),
			slog.String("id", string(d.Change.ID)), slog.Int64("version", int64(early.Version)))
	}
}
