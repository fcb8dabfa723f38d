package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"ticketing/pkg/event"
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

// Item returns one replica as List does. store.ErrNotFound where there is none.
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

// Resync takes an entity as its source has it now, in the form of an event of the kind, and makes the
// replica equal to it: over versions that will never come, because the broker's limits have removed
// them, and over another content at the same version. An older version changes nothing, as the replica may have gone on
// since it was compared, unless ahead is the version that the replica stands at: then it was seen ahead of its source,
// by somebody's event or because the source has lost something, and goes back. event.None for ahead never goes
// back. Resync reports whether the replica was changed, which is durable on return. A person asks for it; events never do this.
func (r *Replica[T]) Resync(ctx context.Context, data []byte, ahead event.Version) (changed bool, err error) {
	change, err := r.decodeAny(data)
	if err != nil {
		return false, err
	}
	for {
		written := r.present.Load()
		changed, err := r.tryResync(ctx, written.records, change, ahead)
		if errors.Is(err, store.ErrConflict) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("resync %s %s: %w", r.kind.Name, change.ID, err)
		}
		if present, err := r.follow(ctx); err != nil || present.number == written.number {
			return changed, err
		}
	}
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

func (r *Replica[T]) tryResync(ctx context.Context, records store.Collection, change Change[T], ahead event.Version) (bool, error) {
	record, err := records.Get(ctx, string(change.ID))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	img := newImage(&r.kind, change.ID, record)
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
	if _, err := img.drain(ctx); err != nil {
		return false, err
	}
	var unneeded []store.Event
	if img.overflow {
		var d delivery[T] // there is none: a failure among the parked stays noted there
		if unneeded, err = r.unpark(ctx, img, &d); err != nil {
			return false, err
		}
	}
	w, err := img.write()
	if err != nil {
		return false, err
	}
	if err := records.Put(ctx, w); err != nil {
		return false, err
	}
	return true, r.parking.settled(ctx, unneeded)
}
