// Package outbox keeps the entities that a service owns and takes their events to the bus.
//
// A rule decides; one write stores the new state, its version and its event; the relay publishes the
// event and forgets it only after the broker has stored it:
//
//	Change ──> rule ──> Put{state v, version v, event v} ──> offer ──> lane of the entity
//	                         │                                          │ in version order, one on its way
//	                         └── outbox in the record                   ├─> Send (pace: many together) ──> answered
//	                              ^        │                            └─> Forget (batched)
//	                     sweep ───┘        └── what a crash left: swept, offered again
//
// Between the write and Forget a crash may happen at any point: the event is then published again,
// never lost. Duplicates and swaps that come of it are absorbed by the version rule (package replica).
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/store"
)

// ErrNoChange is returned by a rule that leaves the entity as it is: nothing is written, no version is used and no
// event is published.
var ErrNoChange = errors.New("nothing changes")

// ErrSilent is returned by a rule together with a state that other services do not see. The state is stored at the
// version that the entity stands at, and no event is published. A missing entity cannot begin that way.
var ErrSilent = errors.New("stored without a version")

// Entity is an entity with the version its state stands at.
type Entity[T any] struct {
	ID      event.ID
	Version event.Version
	State   T
}

// Kind describes how entities with state T are kept. The functions are pure.
type Kind[T any] struct {
	// Key returns the entity's unique key; nil if it needs none but its id.
	Key func(Entity[T]) string
	// Index returns the values that List can select by; nil if there are none.
	Index func(Entity[T]) map[string]string
	// Announce returns the event of this version; nil for a kind that has no events. An empty subject means that this
	// version has none. Only a kind whose events are facts may leave one out: followers of versions would wait for it.
	Announce func(Entity[T]) (event.Subject, []byte, error)
	// MaxAttempts is how often Change decides before it gives up. With each failed attempt another writer's change
	// went through, so only a steady crowd on one entity reaches it. Default 50.
	MaxAttempts int
}

// Entities are the entities of one kind that this service owns. All methods may be called concurrently,
// also by other processes on the same store. Errors of the store come through wrapped.
type Entities[T any] struct {
	kind    Kind[T]
	records store.Collection
	relay   *Relay
	locks   *locks
	now     func() time.Time
}

// NewEntities keeps entities in records and hands their events to relay, which has to serve the same
// collection; nil if the kind has no events.
func NewEntities[T any](kind Kind[T], records store.Collection, relay *Relay, now func() time.Time) *Entities[T] {
	orDefault(&kind.MaxAttempts, 50)
	return &Entities[T]{kind: kind, records: records, relay: relay, locks: newLocks(), now: now}
}

// Create stores a new entity at version 0 together with its event; both are durable on return.
// It returns store.ErrConflict if the id exists and store.ErrKeyTaken if the key is taken.
func (e *Entities[T]) Create(ctx context.Context, id event.ID, state T) (Entity[T], error) {
	return e.create(ctx, id, "", state)
}

func (e *Entities[T]) create(ctx context.Context, id event.ID, hash string, state T) (Entity[T], error) {
	unlock, err := e.locks.lock(ctx, string(id))
	if err != nil {
		return Entity[T]{}, err
	}
	defer unlock()
	created := Entity[T]{ID: id, Version: 0, State: state}
	emit, err := e.eventsOf(created)
	if err != nil {
		return created, err
	}
	return created, e.write(ctx, created, 0, hash, emit, nil)
}

// Get reads an entity. It returns store.ErrNotFound if there is none.
func (e *Entities[T]) Get(ctx context.Context, id event.ID) (Entity[T], error) {
	record, err := e.records.Get(ctx, string(id))
	if err != nil {
		return Entity[T]{}, err
	}
	return entityOf[T](record)
}

// List returns a page of entities in ascending order of id, that is of creation.
func (e *Entities[T]) List(ctx context.Context, q store.Query) ([]Entity[T], error) {
	records, err := e.records.List(ctx, q)
	if err != nil {
		return nil, err
	}
	entities := make([]Entity[T], 0, len(records))
	for _, record := range records {
		entity, err := entityOf[T](record)
		if err != nil {
			return nil, err
		}
		entities = append(entities, entity)
	}
	return entities, nil
}

// Change lets rule decide on the entity as it is and stores what it returns at the next version,
// together with the event of that version; both are durable on return. If another writer was first,
// it reads and decides again, so rule may be called several times and must have no side effects. After
// Kind.MaxAttempts attempts it returns store.ErrConflict. An error of rule comes back as it is and nothing
// is written, but ErrNoChange and ErrSilent are none. While store.MaxOutbox events of this entity wait for the bus, a
// change that is not silent is refused with fault.Unavailable.
func (e *Entities[T]) Change(ctx context.Context, id event.ID, rule func(Entity[T]) (T, error)) (Entity[T], error) {
	unlock, err := e.locks.lock(ctx, string(id))
	if err != nil {
		return Entity[T]{}, err
	}
	defer unlock()
	for range e.kind.MaxAttempts {
		changed, err := e.changeOnce(ctx, id, rule)
		if !errors.Is(err, store.ErrConflict) {
			return changed, err
		}
	}
	return Entity[T]{}, fmt.Errorf("change %s: %w", id, store.ErrConflict)
}

func (e *Entities[T]) changeOnce(ctx context.Context, id event.ID, rule func(Entity[T]) (T, error)) (Entity[T], error) {
	var inMemory []int64
	if e.kind.Announce != nil {
		inMemory = e.relay.inMemory(string(id))
	}
	record, err := e.records.Get(ctx, string(id))
	if err != nil {
		return Entity[T]{}, err
	}
	current, err := entityOf[T](record)
	if err != nil {
		return Entity[T]{}, err
	}
	state, err := rule(current)
	next, emit, err := e.decided(current, state, err, len(record.Outbox))
	if errors.Is(err, ErrNoChange) {
		return current, nil
	}
	if err != nil {
		return Entity[T]{}, err
	}
	for _, version := range inMemory {
		delete(record.Outbox, version)
	}
	return next, e.write(ctx, next, record.Revision, hashOf(record.State), emit, record.Outbox)
}

// decided returns the entity and the events that a rule makes of the current one, given how many of its events wait.
// It returns the rule's error unless that is ErrSilent.
func (e *Entities[T]) decided(current Entity[T], state T, err error, waiting int) (next Entity[T], emit []store.Event, _ error) {
	silent := errors.Is(err, ErrSilent)
	switch {
	case err != nil && !silent:
		return current, nil, err
	case silent && current.Version == event.None:
		return current, nil, fmt.Errorf("create %s: %w", current.ID, err)
	case silent:
		return Entity[T]{ID: current.ID, Version: current.Version, State: state}, nil, nil
	case waiting >= store.MaxOutbox:
		return current, nil, fault.New(fault.Unavailable, "too many changes are waiting to be published; try again later")
	}
	next = Entity[T]{ID: current.ID, Version: current.Version.Next(), State: state}
	emit, err = e.eventsOf(next)
	return next, emit, err
}

// write stores entity over the revision that was read, with the hash of the request that created it. It offers the
// entity's events to the relay, together with older events that were not in memory. The caller holds the entity's
// lock: that keeps the offers of one process in version order.
func (e *Entities[T]) write(ctx context.Context, entity Entity[T], revision int64, hash string, emit []store.Event, older map[int64]store.Event) error {
	w, err := e.writeOf(entity, revision, hash)
	if err != nil {
		return err
	}
	w.Emit = emit
	err = e.records.Put(ctx, w)
	switch {
	case err == nil:
		e.offer(w, older)
	case e.kind.Announce != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrKeyTaken):
		e.relay.miss() // it may have been stored
	}
	return err
}

func entityOf[T any](record store.Record) (Entity[T], error) {
	entity := Entity[T]{ID: event.ID(record.ID), Version: event.Version(record.Version)}
	if err := json.Unmarshal(record.State, &entity.State); err != nil {
		return entity, fmt.Errorf("decode %s: %w", record.ID, err)
	}
	return entity, nil
}
