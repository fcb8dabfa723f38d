package replica

import (
	"context"
	"errors"
	"fmt"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// DropEarly removes the events that are kept or parked behind the version that an entity waits for: a person has
// decided that it will never come, as when somebody published an event of their own. The entity stays at its version;
// one of which no event was applied is not seen, as before. Durable on return; a crash or an error may leave some of
// them parked. A rebuild meets them in the broker's history again. store.ErrNotFound if no version is missing, also
// if the next one has come and could not be applied yet.
func (r *Replica[T]) DropEarly(ctx context.Context, id event.ID) error {
	for dropped := false; ; {
		written := r.present.Load()
		err := r.tryDropEarly(ctx, written, id)
		if errors.Is(err, store.ErrConflict) {
			continue // an event came meanwhile
		}
		if dropped && errors.Is(err, store.ErrNotFound) {
			err = nil // in another generation they need not be
		}
		if err != nil {
			return fmt.Errorf("drop the early events of %s: %w", entityName(r.kind.Name, id), err)
		}
		dropped = true
		if present, err := r.follow(ctx); err != nil || present.number == written.number {
			return err
		}
	}
}

func (r *Replica[T]) tryDropEarly(ctx context.Context, g *generation, id event.ID) error {
	record, err := g.records.Get(ctx, string(id))
	if err != nil {
		return err
	}
	img := newImage(&r.kind, r.config, id, record)
	_, come := img.early[int64(img.version.Next())]
	var parked []string
	if img.overflow {
		err := g.lot.EachEarly(ctx, entityName(r.kind.Name, id), func(e parking.Entry) bool {
			come = come || e.Version == img.version.Next()
			parked = append(parked, e.ID)
			return !come
		})
		if err != nil {
			return err
		}
	}
	if come || len(img.early)+len(parked) == 0 {
		return store.ErrNotFound
	}
	img.early, img.overflow = nil, false
	w, err := img.write()
	if err != nil {
		return err
	}
	// The write decides, as the missing version may come at any moment, and only then are the parked ones removed. The
	// record stays even if it is empty: a new one would begin with revisions that another member has read of this one.
	if err := g.records.Put(ctx, w); err != nil {
		return err
	}
	return g.lot.Settle(ctx, parked)
}
