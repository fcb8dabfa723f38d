package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/decide"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
)

// handling is the storing of one batch in one generation:
//
//	read records ──> read what is parked of them ──> decide (pure) ──> react ──> count, park ──> write records ──> settle
//
// Own entities and the lot are written before the records. A crash between repeats the reaction, which changes nothing
// then, and leaves a note too many in the lot, never one too few.
type handling[T any] struct {
	kind       *decide.Kind[T]
	reactor    Reactor[T]
	config     Config
	log        *slog.Logger
	generation *generation.Generation
	// counted are the events whose failure was counted, and whether that parked them: once for each batch, however
	// often it is decided.
	counted map[string]bool
}

func (r *Replica[T]) handling(in *generation.Generation) handling[T] {
	kind := &decide.Kind[T]{Name: r.kind.Name, Subjects: r.kind.Subjects, Decode: r.kind.Decode, Reacts: r.kind.React != nil}
	return handling[T]{kind: kind, reactor: r.kind.React, config: r.config, log: r.log, generation: in, counted: map[string]bool{}}
}

// store stores a batch.
func (h handling[T]) store(ctx context.Context, batch []*delivery[T]) error {
	if err := h.parkPoison(ctx, batch); err != nil {
		return err
	}
	groups := groupByEntity(batch)
	if len(groups) == 0 {
		return nil
	}
	return h.storeGroups(ctx, groups)
}

func (h handling[T]) parkPoison(ctx context.Context, batch []*delivery[T]) error {
	var poison []parking.Entry
	for _, d := range batch {
		if d.poison != nil {
			d.Verdict, d.Outcome = Poison, nil
			poison = append(poison, parking.Entry{Reason: parking.Poison, Channel: d.message.Channel, Sequence: d.message.Sequence,
				Version: event.None, Error: d.poison.Error(), Data: d.message.Data})
		}
	}
	return h.generation.Lot.Park(ctx, poison...)
}

// togetherTries is how often groups are decided on together. With two members most batches have an entity that the
// other was first at, and each time fewer are left; one by one, each would be a write of its own.
const togetherTries = 5

// storeGroups decides on the groups and writes what changed in one go; and again what another member was first at. If
// that does not end, or one of them cannot be stored, each group is read and decided by itself.
func (h handling[T]) storeGroups(ctx context.Context, groups []decide.Group[T]) error {
	for try := 1; ; try++ {
		left, err := h.tryGroups(ctx, groups)
		if isAway(err) {
			return err
		}
		groups = left
		conflict := err == nil || errors.Is(err, store.ErrConflict)
		switch {
		case len(groups) == 0:
			return nil
		case err == nil:
			try = 0 // they go on behind what was written
			continue
		case len(groups) > 1 && (!conflict || try >= togetherTries):
			for i := range groups {
				if err := h.storeGroups(ctx, groups[i:i+1]); err != nil {
					return err
				}
			}
			return nil
		case !conflict:
			return h.refuse(ctx, groups[0], err)
		}
		h.log.Debug("another instance was first; deciding again", "entities", len(groups), "id", groups[0].ID)
	}
}

// refuse counts an attempt at every event of an entity that the store will not take, so that one entity does not keep
// the others waiting.
func (h handling[T]) refuse(ctx context.Context, g decide.Group[T], cause error) error {
	for _, d := range g.Deliveries {
		d.Verdict, d.Released, d.Outcome = Failed, nil, cause
		entry := decide.EntryOf(h.kind.Name, g.ID, d.Change.Version, d.Event)
		parked, err := h.count(ctx, decide.Attempt[T]{Entry: entry, Cause: cause, Delivery: d})
		if err != nil {
			return err
		}
		if parked {
			d.Outcome = nil
		}
	}
	if g.Last != nil {
		g.Last.Outcome = cause
	}
	return nil
}

// tryGroups does so once. It returns the groups that are left: those that have more parked events to apply, and with
// an error those that were refused, if the store reports which, else all.
func (h handling[T]) tryGroups(ctx context.Context, groups []decide.Group[T]) (left []decide.Group[T], err error) {
	sources, err := h.read(ctx, groups)
	if err != nil {
		return groups, err
	}
	decisions := make([]decide.Decision[T], len(groups))
	for i, g := range groups {
		decisions[i] = g.Decide(h.image(g.ID, sources[i]))
	}
	if h.reactor != nil {
		if err := h.react(ctx, groups, sources, decisions); err != nil {
			return groups, err
		}
	}
	return h.write(ctx, groups, decisions)
}

func (h handling[T]) image(id event.ID, from decide.Source) *decide.Image[T] {
	return decide.NewImage(h.kind, decide.Room{Events: h.config.MaxEarly, Bytes: h.config.MaxEarlyBytes}, id, from)
}

// react reacts to everything that was applied. A group with a refused turn is decided again without it, until none is
// refused.
func (h handling[T]) react(ctx context.Context, groups []decide.Group[T], sources []decide.Source, decisions []decide.Decision[T]) error {
	left := make([]int, len(groups)) // the groups to react to
	for i := range left {
		left[i] = i
	}
	for {
		var turns []Turn[T]
		var of []int // the group of each turn
		for _, i := range left {
			turns = append(turns, decisions[i].Turns...)
			of = append(of, slices.Repeat([]int{i}, len(decisions[i].Turns))...)
		}
		if len(turns) == 0 {
			return nil
		}
		refused, err := h.reactor.React(ctx, turns)
		if err != nil {
			return fmt.Errorf("react to %d events of %s: %w", len(turns), h.kind.Name, err)
		}
		left = left[:0]
		for turn, reason := range refused {
			if isAway(reason) {
				return reason
			}
			i := of[turn]
			if sources[i].Refused == nil {
				sources[i].Refused = map[event.Version]error{}
			}
			sources[i].Refused[turns[turn].Version] = reason
			left = append(left, i)
		}
		slices.Sort(left)
		left = slices.Compact(left)
		for _, i := range left {
			decisions[i] = groups[i].Decide(h.image(groups[i].ID, sources[i]))
		}
	}
}

// write counts, parks and writes what was decided.
func (h handling[T]) write(ctx context.Context, groups []decide.Group[T], decisions []decide.Decision[T]) (left []decide.Group[T], err error) {
	var aside []parking.Entry
	writes := make([]store.Write, 0, len(groups))
	for i := range decisions {
		d := &decisions[i]
		for _, failed := range d.Attempts {
			parked, err := h.count(ctx, failed)
			if err != nil {
				return groups, err
			}
			if parked {
				d.Park(failed)
			}
		}
		aside = append(aside, d.Aside...)
		if !d.Dirty {
			continue
		}
		w, err := d.Image.Write()
		if err != nil {
			return groups, err
		}
		writes = append(writes, w)
	}
	if err := h.park(ctx, aside, groups); err != nil {
		return groups, err
	}
	if len(writes) > 0 {
		err = h.generation.Records.PutMany(ctx, writes)
	}
	return h.settle(ctx, groups, decisions, err)
}

// park parks what was set aside, and notes at the deliveries concerned that the lot has them.
func (h handling[T]) park(ctx context.Context, aside []parking.Entry, groups []decide.Group[T]) error {
	if len(aside) == 0 {
		return nil
	}
	if err := h.generation.Lot.Park(ctx, aside...); err != nil {
		return err
	}
	for _, g := range groups {
		for _, d := range g.Deliveries {
			d.Parked = d.Parked || d.InLot
		}
	}
	return nil
}

// settle removes from the lot what the groups that were written have no need of any more, and returns those that are
// left. writing is the error of the write.
func (h handling[T]) settle(ctx context.Context, groups []decide.Group[T], decisions []decide.Decision[T], writing error) (left []decide.Group[T], err error) {
	refused := refusedIDs(writing, groups)
	var settled []string
	for i, g := range groups {
		if refused[string(g.ID)] {
			left = append(left, g)
			continue
		}
		for _, entry := range decisions[i].Settled {
			settled = append(settled, h.generation.Lot.ID(entry))
		}
		if rest, more := decisions[i].Rest(); more {
			left = append(left, rest)
		}
	}
	if writing != nil {
		err = fmt.Errorf("write %s replicas: %w", h.kind.Name, writing)
		if isAway(writing) {
			return left, err
		}
	}
	if failed := h.generation.Lot.Settle(ctx, settled); failed != nil {
		return left, failed
	}
	return left, err
}

// refusedIDs are the entities whose write is not known to be stored.
func refusedIDs[T any](err error, groups []decide.Group[T]) map[string]bool {
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
		refused[string(g.ID)] = true
	}
	return refused
}

// count counts a failed attempt and reports whether that parked the event. If it was the store that failed, it returns
// that error and counts nothing, however long it lasts.
func (h handling[T]) count(ctx context.Context, failed decide.Attempt[T]) (parked bool, err error) {
	if isAway(failed.Cause) {
		return false, failed.Cause
	}
	limit := h.config.MaxAttempts
	if errors.As(failed.Cause, &hopeless{}) {
		limit = 1
	}
	if d := failed.Delivery; d != nil && d.Limit > 0 && !failed.Kept {
		limit = d.Limit
	}
	failed.Entry.Error = failed.Cause.Error()
	id := h.generation.Lot.ID(failed.Entry)
	parked, known := h.counted[id]
	if !known {
		if parked, err = h.generation.Lot.Fail(ctx, failed.Entry, limit); err != nil {
			return false, err
		}
		h.counted[id] = parked
	}
	return parked, nil
}

// read returns what is stored of the groups' entities, with what is parked of them if this may be its turn.
func (h handling[T]) read(ctx context.Context, groups []decide.Group[T]) ([]decide.Source, error) {
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = string(g.ID)
	}
	found, err := h.generation.Records.GetMany(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read %s replicas: %w", h.kind.Name, err)
	}
	var reacted map[string]store.Record
	if h.reactor != nil && h.generation.Before != nil {
		if reacted, err = h.generation.Before.Records.GetMany(ctx, ids); err != nil {
			return nil, fmt.Errorf("read %s replicas of the generation before: %w", h.kind.Name, err)
		}
	}
	sources := make([]decide.Source, len(groups))
	for i, g := range groups {
		from := decide.Source{Record: found[ids[i]], Reacted: event.None}
		if record, ok := reacted[ids[i]]; ok {
			from.Reacted = event.Version(record.Version)
		}
		if from.Record.Index[decide.GapIndex] == decide.GapParked && g.MayRelease(h.image(g.ID, from)) {
			from.Searched = true
			if from.Parked, from.More, err = h.generation.Lot.Early(ctx, decide.EntityName(h.kind.Name, g.ID)); err != nil {
				return nil, err
			}
		}
		sources[i] = from
	}
	return sources, nil
}
