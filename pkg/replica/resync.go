package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// Item is one replica as verify sees it.
type Item struct {
	ID      event.ID        `json:"id"`
	Version event.Version   `json:"version"`
	State   json.RawMessage `json:"state"`
}

// List returns a page of replicas in ascending order of id, after the given one. Entities of which only
// early events have come are left out, so a page may be shorter than limit; next is empty at the end.
func (r *Replica[T]) List(ctx context.Context, after event.ID, limit int) (items []Item, next event.ID, err error) {
	records, err := r.records().List(ctx, store.Query{After: string(after), Limit: limit})
	if err != nil {
		return nil, "", fmt.Errorf("list %s replicas: %w", r.kind.Name, err)
	}
	for _, record := range records {
		if event.Version(record.Version) != event.None {
			items = append(items, Item{event.ID(record.ID), event.Version(record.Version), record.State})
		}
	}
	if len(records) == limit {
		next = event.ID(records[limit-1].ID)
	}
	return items, next, nil
}

// Item returns one replica as List does. store.ErrNotFound if there is none.
func (r *Replica[T]) Item(ctx context.Context, id event.ID) (Item, error) {
	record, err := r.records().Get(ctx, string(id))
	if err == nil && event.Version(record.Version) == event.None {
		err = store.ErrNotFound
	}
	if err != nil {
		return Item{}, fmt.Errorf("read %s %s: %w", r.kind.Name, id, err)
	}
	return Item{id, event.Version(record.Version), record.State}, nil
}

// Resync takes an entity as its source has it now, in the form of an event of the kind, and makes the replica equal to
// it: over versions that will never come, because the broker's limits have removed them, and over other content at the
// same version. An older version changes nothing, as the replica may have gone on since it was compared, unless ahead
// is the version that the replica stands at: then it was seen ahead of its source, by somebody's event or because the
// source has lost something, and goes back. event.None for ahead never goes back. A rebuild that is under way gets the
// entity as well. Resync reports whether the replica was changed, which is durable on return. A person asks for it;
// events never do this.
func (r *Replica[T]) Resync(ctx context.Context, data []byte, ahead event.Version) (changed bool, err error) {
	change, err := r.decodeAny(data)
	if err != nil {
		return false, err
	}
	for {
		written := r.present.Load()
		if changed, err = r.resyncIn(ctx, written, change, ahead); err != nil {
			break
		}
		// The mark is read behind the write: a rebuild that begins later finds what was written when it compares.
		var m mark
		if m, _, err = r.readMark(ctx); err != nil {
			break
		}
		if m.Reserved > m.Generation {
			if err = r.resyncFilling(ctx, m, change, ahead); err != nil {
				break
			}
		}
		present, err := r.follow(ctx)
		if err != nil || present.number == written.number {
			return changed, err
		}
	}
	return false, fmt.Errorf("resync %s %s: %w", r.kind.Name, change.ID, err)
}

// resyncFilling does so in the generation that a rebuild is filling, or has left unfinished.
func (r *Replica[T]) resyncFilling(ctx context.Context, m mark, change Change[T], ahead event.Version) error {
	filling, err := r.open(ctx, m.Reserved, m.Generation)
	if err != nil {
		return err
	}
	_, err = r.resyncIn(ctx, filling, change, ahead)
	return err
}

// decodeAny reads an event of whichever of the kind's channels takes it.
func (r *Replica[T]) decodeAny(data []byte) (change Change[T], err error) {
	for _, subject := range r.kind.Subjects {
		if change, err = r.kind.Decode(subject, data); err == nil {
			return change, nil
		}
	}
	return change, err
}

// resyncIn does so in one generation.
func (r *Replica[T]) resyncIn(ctx context.Context, g *generation, change Change[T], ahead event.Version) (changed bool, err error) {
	h := handling[T]{Replica: r, generation: g, counted: map[string]bool{}}
	for {
		changed, err := h.tryResync(ctx, change, ahead)
		if !errors.Is(err, store.ErrConflict) {
			return changed, err
		}
	}
}

func (h handling[T]) tryResync(ctx context.Context, change Change[T], ahead event.Version) (bool, error) {
	entity := group[T]{id: change.ID, goesOn: true}
	images, err := h.read(ctx, []group[T]{entity})
	if err != nil {
		return false, err
	}
	img := images[0]
	older := change.Version < img.version && img.version != ahead
	if older || (change.Version == img.version && img.says(change)) {
		return false, nil
	}
	if err := img.apply(ctx, change); err != nil {
		return false, err
	}
	for version := range img.early {
		if event.Version(version) <= img.version {
			img.drop(version)
		}
	}
	img.conflicts = nil // the source decides
	overruled, err := h.parkedUpTo(ctx, img)
	if err != nil {
		return false, err
	}
	left, err := h.write(ctx, []group[T]{entity}, images)
	if err == nil {
		err = h.generation.lot.Settle(ctx, overruled)
	}
	if err == nil && len(left) > 0 { // more parked events are next
		err = h.storeGroups(ctx, left)
	}
	return err == nil, err
}

// parkedUpTo returns the ids of the early events that the lot has up to the version of an image.
func (h handling[T]) parkedUpTo(ctx context.Context, img *image[T]) (ids []string, err error) {
	if !img.overflow {
		return nil, nil
	}
	err = h.generation.lot.EachEarly(ctx, entityName(h.kind.Name, img.id), func(e parking.Entry) bool {
		if e.Version <= img.version {
			ids = append(ids, e.ID)
		}
		return e.Version <= img.version
	})
	return ids, err
}
