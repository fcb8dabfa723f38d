// Package replica keeps another service's entities as this service has seen them, from events that may
// come twice, late, in the wrong order or broken.
//
//	bus ──> Decode ──> queue ──> lanes ──> verdict by version ──> one write for many ──> ack
//	          │       (by entity)         apply | stale | early        │
//	          │                                conflict                │
//	          └── poison ─────────────────────────┴──> parked          │
//	                                                 store away: pause, retry, nothing acked
//
// An event is acknowledged only when what it asked for is durable. One that comes early is kept inside
// the replica's own record and applied by the write that makes it next, at whichever member of the
// service that happens; so nothing waits un-acked at the broker, where it would hold a slot of the
// member's MaxInflight until AckWait and could starve the group (DESIGN.md, "The way of an event").
//
// Files: verdict.go compares versions, image.go applies a verdict to one record in memory, decide.go does
// so for a delivery and what it releases, batch.go stores many records at once, queue.go keeps the order and
// brings neighbours together, lanes.go takes batches from it, parking.go sets aside what cannot be applied,
// consumer.go is a member of the group, membership.go joins and leaves, window.go decides how many events a member
// holds at once, replay.go reads history again, generation.go and rebuild.go make replicas anew, resync.go,
// dropearly.go, retention.go and oncall.go are for people.
package replica

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// MaxEarly and MaxEarlyBytes are how many early events one record keeps, and how many bytes of payload. More
// are parked; parked ones that become next are applied without a person.
const (
	MaxEarly      = 256
	MaxEarlyBytes = 1 << 20
)

// DefaultMaxAttempts is how often one event may fail for a reason of its own before it is parked.
const DefaultMaxAttempts = 20

// Change is what one event does to one entity.
type Change[T any] struct {
	// ID and Version are the event's.
	ID      event.ID
	Version event.Version
	// Apply returns the state after the event, given the one before it. It is pure, and applied to its
	// own result it changes nothing: that is how an event is recognised as the same again.
	Apply func(before T) T
	// Whole says that the event carries the whole entity, so that Apply needs no state before; it is given
	// the zero T then, and the stored state need not be decoded.
	Whole bool
}

// Kind tells how the events of one kind of entity become replicas with state T.
type Kind[T any] struct {
	// Name is the entity's: "ticket".
	Name string
	// Subjects are the channels that together carry every version of these entities.
	Subjects []event.Subject
	// Decode reads an event; an error makes it poison. It is pure.
	Decode func(subject event.Subject, data []byte) (Change[T], error)
	// React, where not nil, changes entities of one's own because of an event: it is called with the
	// state after the event, before the replica advances, in version order for each entity and at the
	// same time for different ones. It must be idempotent, because a crash before the replica has
	// advanced repeats it. store.ErrUnavailable, fault.Unavailable (as of an outbox without room) and
	// context errors pause the service and are tried again for ever; any other error counts as an attempt
	// of the event, which is parked at the limit.
	React func(ctx context.Context, id event.ID, version event.Version, after T) error
}

// Config of a Replica. Zero values stand for the defaults.
type Config struct {
	// MaxAttempts is how often one event may fail before it is parked. Default DefaultMaxAttempts.
	MaxAttempts int
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Replica is the store's side of a kind: reading replicas and applying events to them. All methods may
// be called concurrently, also by other members of the service on the same store.
type Replica[T any] struct {
	kind    Kind[T]
	db      store.Database
	present atomic.Pointer[generation]
	marks   store.Collection
	parking *Parking
	config  Config
	log     *slog.Logger
	// verdicts counts what was decided.
	verdicts verdictCounts
	// building: it fills a generation that is not the present one.
	building bool
}

// Open opens the collections that replicas of this kind live in. store.ErrUnavailable where the store
// cannot be reached.
func Open[T any](ctx context.Context, kind Kind[T], db store.Database, config Config, log *slog.Logger) (*Replica[T], error) {
	if config.MaxAttempts == 0 {
		config.MaxAttempts = DefaultMaxAttempts
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	marks, err := db.Collection(ctx, store.Spec{Name: "replica-marks"})
	if err != nil {
		return nil, fmt.Errorf("open marks: %w", err)
	}
	parking, err := OpenParking(ctx, db, config.Now)
	if err != nil {
		return nil, err
	}
	r := &Replica[T]{kind: kind, db: db, marks: marks, parking: parking, config: config, log: log}
	m, _, err := r.readMark(ctx)
	if err != nil {
		return nil, err
	}
	present, err := r.open(ctx, m.Generation)
	if err != nil {
		return nil, err
	}
	r.present.Store(present)
	return r, nil
}

// Get returns the replica of an entity and the version it stands at. store.ErrNotFound where no event
// of it has been applied yet, also when early ones are kept.
func (r *Replica[T]) Get(ctx context.Context, id event.ID) (T, event.Version, error) {
	var state T
	record, err := r.records().Get(ctx, string(id))
	if err == nil && event.Version(record.Version) == event.None {
		err = store.ErrNotFound
	}
	if err != nil {
		return state, event.None, fmt.Errorf("read %s %s: %w", r.kind.Name, id, err)
	}
	if err := json.Unmarshal(record.State, &state); err != nil {
		return state, event.None, fmt.Errorf("decode %s %s: %w", r.kind.Name, id, err)
	}
	return state, event.Version(record.Version), nil
}

// Parking is where this service's unusable events are.
func (r *Replica[T]) Parking() *Parking { return r.parking }
