package outbox

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// reindexPage is how many entities Reindex reads at once.
const reindexPage = 200

// Reindex gives every entity the index values of its kind. Entities that an earlier release has stored may lack some,
// and List does not find them by those. It reads the whole collection, so it notes under name in marks when there was
// nothing left to do, and reads that note first. It looks once more after it has changed anything: an instance of the
// earlier release may have written meanwhile. It may be called concurrently with all other methods, and again after
// an error of the store.
func (e *Entities[T]) Reindex(ctx context.Context, marks store.Collection, name string) error {
	_, err := marks.Get(ctx, name)
	if err == nil || !errors.Is(err, store.ErrNotFound) {
		return err
	}
	for changed := true; changed; {
		if changed, err = e.reindexAll(ctx); err != nil {
			return fmt.Errorf("index %s again: %w", name, err)
		}
	}
	err = marks.Put(ctx, store.Write{ID: name})
	if errors.Is(err, store.ErrConflict) { // another instance has done the same
		return nil
	}
	return err
}

// reindexAll reports whether any entity had other index values than its kind gives it.
func (e *Entities[T]) reindexAll(ctx context.Context) (changed bool, _ error) {
	for after := ""; ; {
		records, err := e.records.List(ctx, store.Query{After: after, Limit: reindexPage})
		if err != nil {
			return changed, err
		}
		var reactions []Reaction[T]
		for _, record := range records {
			entity, err := entityOf[T](record)
			if err != nil {
				return changed, err
			}
			if !maps.Equal(record.Index, e.kind.Index(entity)) {
				reactions = append(reactions, Reaction[T]{ID: event.ID(record.ID), Rule: asItIs[T]})
			}
		}
		if _, err := e.React(ctx, reactions); err != nil {
			return changed, err
		}
		changed = changed || len(reactions) > 0
		if len(records) < reindexPage {
			return changed, nil
		}
		after = records[len(records)-1].ID
	}
}

// asItIs stores an entity again.
func asItIs[T any](current Entity[T]) (T, error) { return current.State, ErrSilent }
