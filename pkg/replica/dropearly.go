package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// DropEarly removes the events that are kept or parked behind the version that an entity waits for: a person has
// decided that it will never come, as where somebody published an event of their own. The entity stays at its
// version; one of which no event was applied is not seen, as before. Durable on return; a crash or an error may leave
// some of them parked. A rebuild meets them in the broker's history again. store.ErrNotFound where no version is missing.
func (r *Replica[T]) DropEarly(ctx context.Context, id event.ID) error {
	for dropped := false; ; {
		written := r.present.Load()
		err := r.tryDropEarly(ctx, written.records, id)
		if errors.Is(err, store.ErrConflict) {
			continue // an event came meanwhile
		}
		if dropped && errors.Is(err, store.ErrNotFound) {
			err = nil // in another generation they need not be
		}
		if err != nil {
			return fmt.Errorf("drop the early events of %s: %w", r.entity(id), err)
		}
		dropped = true
		if present, err := r.follow(ctx); err != nil || present.number == written.number {
			return err
		}
	}
}

func (r *Replica[T]) tryDropEarly(ctx context.Context, records store.Collection, id event.ID) error {
	record, err := records.Get(ctx, string(id))
	if err != nil {
		return err
	}
	img := newImage(&r.kind, id, record)
	if _, failing := img.early[int64(img.version.Next())]; failing {
		return store.ErrNotFound // it has come, and its reaction does not succeed
	}
	unneeded := slices.Collect(maps.Values(img.early))
	if img.overflow {
		parked, err := r.parking.earlyOf(ctx, r.entity(id))
		if err != nil {
			return err
		}
		for _, entry := range parked {
			unneeded = append(unneeded, entry.event())
		}
	}
	if len(unneeded) == 0 {
		return store.ErrNotFound
	}
	img.early, img.overflow = nil, false
	w, err := img.write()
	if err != nil {
		return err
	}
	// The write decides, as the missing version may come at any moment, and only then are notes removed. The record
	// stays also where it is empty: a new one would begin with revisions that another member has read of this one.
	if err := records.Put(ctx, w); err != nil {
		return err
	}
	return r.parking.settled(ctx, unneeded)
}
