package outbox

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// Reaction is what an event of another service asks of one own entity.
type Reaction[T any] struct {
	// ID names the own entity.
	ID event.ID
	// Rule decides, as in Change. An entity that is missing comes at event.None with the zero state, and is created by
	// what the rule returns for it. The rule may be asked several times and must have no side effects. It returns
	// ErrNoChange if the entity is as the event asks for: reactions are repeated, and not only the last one
	// (replica.Reactor). It may return ErrSilent.
	Rule func(Entity[T]) (T, error)
	// Source names what the event is about. Once one reaction of a source is refused, those behind it are left alone.
	Source event.ID
}

// React applies many reactions in their order, with one write for all entities, and returns those that their rule
// refuses, by index. All others are durable on return, each with its event. If another writer was first at an entity,
// its reactions are decided again, and only those. A refusal stands; one that comes so late may leave a later reaction
// of its source at another entity done. fault.Unavailable if an entity has no room for its events; then, and on errors
// of the store, any of the reactions may be undone. React may be called concurrently with all other methods.
func (e *Entities[T]) React(ctx context.Context, reactions []Reaction[T]) (refused map[int]error, err error) {
	ids := make([]string, len(reactions))
	for i, r := range reactions {
		ids[i] = string(r.ID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	unlock, err := e.locks.lockAll(ctx, ids)
	if err != nil {
		return nil, err
	}
	defer unlock()
	refused = map[int]error{}
	for range e.kind.MaxAttempts {
		if ids, err = e.reactOnce(ctx, ids, reactions, refused); !errors.Is(err, store.ErrConflict) {
			return refused, err
		}
	}
	return refused, fmt.Errorf("react at %d entities: %w", len(ids), err)
}

// reactOnce decides the reactions of some entities and writes them. It returns the entities that are left if another
// writer was first.
func (e *Entities[T]) reactOnce(ctx context.Context, ids []string, reactions []Reaction[T], refused map[int]error) (left []string, err error) {
	inMemory := make(map[string][]int64, len(ids))
	if e.kind.Announce != nil {
		for _, id := range ids {
			inMemory[id] = e.relay.inMemory(id)
		}
	}
	records, err := e.records.GetMany(ctx, ids)
	if err != nil {
		return ids, err
	}
	changes := make(map[string]*change[T], len(ids))
	for _, id := range ids {
		if changes[id], err = newChange[T](id, records[id]); err != nil {
			return ids, err
		}
	}
	if err := e.decideAll(changes, reactions, refused); err != nil {
		return ids, err
	}
	writes, older := make([]store.Write, 0, len(ids)), make([]map[int64]store.Event, 0, len(ids))
	for _, id := range ids {
		c := changes[id]
		for _, version := range inMemory[id] {
			delete(c.record.Outbox, version)
		}
		if !c.changed {
			if e.kind.Announce != nil { // it may have been written by an attempt that was thought to have failed
				e.relay.offerOlder(id, c.record.Outbox)
			}
			continue
		}
		w, err := e.writeOf(c.entity, c.record.Revision, hashOf(c.record.State))
		if err != nil {
			return ids, err
		}
		w.Emit = c.emit
		writes, older = append(writes, w), append(older, c.record.Outbox)
	}
	if len(writes) == 0 {
		return nil, nil
	}
	err = e.records.PutMany(ctx, writes)
	return e.offerAll(writes, older, err), err
}

// change is an own entity in memory while reactions to it are decided.
type change[T any] struct {
	record  store.Record
	entity  Entity[T]
	changed bool
	emit    []store.Event
}

func newChange[T any](id string, record store.Record) (*change[T], error) {
	if record.Revision == 0 {
		return &change[T]{entity: Entity[T]{ID: event.ID(id), Version: event.None}}, nil
	}
	entity, err := entityOf[T](record)
	return &change[T]{record: record, entity: entity}, err
}

// decideAll applies the reactions to the entities that are there, in order. It is pure but for the clock. An outbox
// without room says nothing about a reaction, so it ends them all.
func (e *Entities[T]) decideAll(changes map[string]*change[T], reactions []Reaction[T], refused map[int]error) error {
	stopped := map[event.ID]bool{}
	for i, r := range reactions {
		if refused[i] != nil {
			stopped[r.Source] = true
		}
		c := changes[string(r.ID)]
		if c == nil || stopped[r.Source] {
			continue
		}
		state, err := r.Rule(c.entity)
		if errors.Is(err, ErrNoChange) {
			continue
		}
		if err != nil && !errors.Is(err, ErrSilent) {
			refused[i], stopped[r.Source] = err, true
			continue
		}
		next, emit, err := e.decided(c.entity, state, err, len(c.record.Outbox)+len(c.emit))
		if err != nil {
			return err
		}
		c.entity, c.changed, c.emit = next, true, append(c.emit, emit...)
	}
	return nil
}

// offerAll offers the events of the writes that are stored to the relay and returns the entities of the others.
func (e *Entities[T]) offerAll(writes []store.Write, older []map[int64]store.Event, err error) (left []string) {
	var some *store.Refused
	known := errors.As(err, &some)
	for i, w := range writes {
		switch {
		case err == nil || known && !slices.Contains(some.IDs, w.ID):
			e.offer(w, older[i])
		default:
			left = append(left, w.ID)
			if e.kind.Announce != nil && !known {
				e.relay.miss() // it may have been stored
			}
		}
	}
	return left
}

// offer offers the events of a write, and first the older ones that were not in memory, up to the first that finds no
// room.
func (e *Entities[T]) offer(w store.Write, older map[int64]store.Event) {
	for i, ev := range w.Emit {
		if !e.relay.offer(w.ID, w.EmitVersion(i), ev, older) {
			return
		}
		older = nil
	}
}

// writeOf is the write of an entity over the revision that was read, without its events. The hash is that of the
// request that created the entity.
func (e *Entities[T]) writeOf(entity Entity[T], revision int64, hash string) (store.Write, error) {
	state, err := encodeState(entity.State, hash)
	if err != nil {
		return store.Write{}, fmt.Errorf("encode %s: %w", entity.ID, err)
	}
	w := store.Write{ID: string(entity.ID), Revision: revision, Version: int64(entity.Version), State: state}
	if e.kind.Key != nil {
		w.Key = e.kind.Key(entity)
	}
	if e.kind.Index != nil {
		w.Index = e.kind.Index(entity)
	}
	return w, nil
}

// eventsOf returns the event of an entity at its version, or nothing if that has none.
func (e *Entities[T]) eventsOf(entity Entity[T]) ([]store.Event, error) {
	if e.kind.Announce == nil {
		return nil, nil
	}
	subject, data, err := e.kind.Announce(entity)
	if err != nil {
		return nil, fmt.Errorf("announce %s: %w", entity.ID, err)
	}
	if subject == "" {
		return nil, nil
	}
	return []store.Event{{Channel: string(subject), At: e.now(), Data: data}}, nil
}
