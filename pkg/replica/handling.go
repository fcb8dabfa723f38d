package replica

import (
	"context"
	"errors"
	"fmt"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// handling is the storing of one batch in one generation:
//
//	read records ──> read what is parked of them ──> decide (pure) ──> count, park ──> write records ──> settle the lot
//
// The lot is written before the records, so a crash between leaves a note too many there, never one too few.
type handling[T any] struct {
	*Replica[T]
	generation *generation
	// counted are the events whose failure was counted, and whether that parked them: once for each batch, however
	// often it is decided.
	counted map[string]bool
}

func (h handling[T]) parkPoison(ctx context.Context, batch []*delivery[T]) error {
	var poison []parking.Entry
	for _, d := range batch {
		if d.poison != nil {
			d.verdict, d.outcome = Poison, nil
			poison = append(poison, parking.Entry{Reason: parking.Poison, Channel: d.message.Channel, Sequence: d.message.Sequence,
				Version: event.None, Error: d.poison.Error(), Data: d.message.Data})
		}
	}
	return h.generation.lot.Park(ctx, poison...)
}

// togetherTries is how often groups are decided on together. With two members most batches have an entity that
// the other was first at, and each time fewer are left; one by one, each would be a write of its own.
const togetherTries = 5

// storeGroups decides on the groups and writes what changed in one go; and again what another member was first at. If
// that does not end, or one of them cannot be stored, each group is read and decided by itself.
func (h handling[T]) storeGroups(ctx context.Context, groups []group[T]) error {
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
			return h.refused(ctx, groups[0], err)
		}
		h.log.Debug("another member was first; deciding again", "entities", len(groups), "id", groups[0].id)
	}
}

// refused counts an attempt at every event of an entity that the store will not take, so that one entity does not
// keep the others waiting.
func (h handling[T]) refused(ctx context.Context, g group[T], cause error) error {
	for _, d := range g.deliveries {
		d.verdict, d.released, d.outcome = Failed, nil, cause
		failed := attempt[T]{entry: h.entry(g.id, d.change.Version, h.eventOf(d)), cause: cause, delivery: d}
		if _, err := h.count(ctx, failed); err != nil {
			return err
		}
	}
	if g.last != nil {
		g.last.outcome = cause
	}
	return nil
}

// tryGroups does so once. It returns the groups that are left: those that have more parked events to apply, and with
// an error those that were refused, if the store reports which, else all.
func (h handling[T]) tryGroups(ctx context.Context, groups []group[T]) (left []group[T], err error) {
	images, err := h.read(ctx, groups)
	if err != nil {
		return groups, err
	}
	return h.write(ctx, groups, images)
}

// write decides on the groups by their images and writes what comes of it.
func (h handling[T]) write(ctx context.Context, groups []group[T], images []*image[T]) (left []group[T], err error) {
	decisions := make([]decision[T], len(groups))
	var aside []parking.Entry
	writes := make([]store.Write, 0, len(groups))
	for i, g := range groups {
		d := h.decideGroup(ctx, images[i], g)
		if err := h.countAll(ctx, d); err != nil {
			return groups, err
		}
		decisions[i] = d
		aside = append(append(aside, d.aside...), d.img.waiting.fresh()...)
		if !d.img.dirty {
			continue
		}
		w, err := d.img.write()
		if err != nil {
			return groups, err
		}
		writes = append(writes, w)
	}
	if err := h.park(ctx, aside, groups); err != nil {
		return groups, err
	}
	if len(writes) > 0 {
		err = h.generation.records.PutMany(ctx, writes)
	}
	return h.settle(ctx, groups, decisions, err)
}

// countAll counts the failures of a decision, and drops from the record what that parks.
func (h handling[T]) countAll(ctx context.Context, d decision[T]) error {
	for _, failed := range d.attempts {
		parked, err := h.count(ctx, failed)
		if err != nil {
			return err
		}
		if parked && failed.kept {
			d.img.drop(int64(failed.entry.Version))
		}
	}
	return nil
}

// park parks what was set aside, and notes at the deliveries concerned that the lot has them.
func (h handling[T]) park(ctx context.Context, aside []parking.Entry, groups []group[T]) error {
	if len(aside) == 0 {
		return nil
	}
	if err := h.generation.lot.Park(ctx, aside...); err != nil {
		return err
	}
	for _, g := range groups {
		for _, d := range g.deliveries {
			d.parked = d.parked || d.inLot
		}
	}
	return nil
}

// settle removes from the lot what the groups that were written have no need of any more, and returns those that are
// left. writing is the error of the write.
func (h handling[T]) settle(ctx context.Context, groups []group[T], decisions []decision[T], writing error) (left []group[T], err error) {
	refused := refusedIDs(writing, groups)
	var settled []string
	for i, g := range groups {
		d := decisions[i]
		if refused[string(g.id)] {
			left = append(left, g)
			continue
		}
		for _, entry := range d.settled {
			settled = append(settled, h.generation.lot.ID(entry))
		}
		if d.unfinished() {
			left = append(left, d.rest(g))
		}
	}
	if writing != nil {
		err = fmt.Errorf("write %s replicas: %w", h.kind.Name, writing)
		if isAway(writing) {
			return left, err
		}
	}
	if failed := h.generation.lot.Settle(ctx, settled); failed != nil {
		return left, failed
	}
	return left, err
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

// count counts a failed attempt and reports whether that parked the event; then its delivery is acknowledged. If it
// was the store that failed, it returns that error and counts nothing, however long it lasts.
func (h handling[T]) count(ctx context.Context, failed attempt[T]) (parked bool, err error) {
	if isAway(failed.cause) {
		return false, failed.cause
	}
	limit := h.config.MaxAttempts
	if d := failed.delivery; d != nil && d.limit > 0 && !failed.kept {
		limit = d.limit
	}
	failed.entry.Error = failed.cause.Error()
	id := h.generation.lot.ID(failed.entry)
	parked, known := h.counted[id]
	if !known {
		if parked, err = h.generation.lot.Fail(ctx, failed.entry, limit); err != nil {
			return false, err
		}
		h.counted[id] = parked
	}
	if parked && failed.delivery != nil {
		failed.delivery.outcome = nil
	}
	return parked, nil
}

// read returns the images of the groups' entities, with what is parked of them if this may be its turn.
func (h handling[T]) read(ctx context.Context, groups []group[T]) ([]*image[T], error) {
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = string(g.id)
	}
	found, err := h.generation.records.GetMany(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read %s replicas: %w", h.kind.Name, err)
	}
	reacted := map[string]store.Record{}
	if h.kind.React != nil && h.generation.before != nil {
		if reacted, err = h.generation.before.records.GetMany(ctx, ids); err != nil {
			return nil, fmt.Errorf("read %s replicas of the generation before: %w", h.kind.Name, err)
		}
	}
	images := make([]*image[T], len(groups))
	for i, g := range groups {
		img := newImage(&h.kind, h.config, g.id, found[string(g.id)])
		if record, ok := reacted[string(g.id)]; ok {
			img.reacted = event.Version(record.Version)
		}
		if img.overflow && g.mayRelease(img) {
			if err := readWaiting(ctx, h.generation.lot, img); err != nil {
				return nil, err
			}
		}
		images[i] = img
	}
	return images, nil
}

// mayRelease reports whether the group may make a parked event the next one.
func (g group[T]) mayRelease(img *image[T]) bool {
	if g.goesOn || img.hasNext() {
		return true
	}
	for _, d := range g.deliveries {
		if d.change.Version <= img.version.Next() {
			return true
		}
	}
	return false
}

// readWaiting reads the first page of the early events of an entity that its lot has.
func readWaiting[T any](ctx context.Context, lot *parking.Lot, img *image[T]) error {
	entries, more, err := lot.Early(ctx, entityName(img.kind.Name, img.id))
	if err != nil {
		return err
	}
	img.waiting.readIn(entries, more)
	img.pass()
	return nil
}
