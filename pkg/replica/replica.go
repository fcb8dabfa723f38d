// Package replica keeps another service's entities as this service has seen them, from events that may come twice,
// late, in the wrong order or broken.
//
//	bus ──> Decode ──> queue ──> lanes ──> verdict by version ──> one write for many ──> ack
//	          │       (by entity)         apply | stale | early        │
//	          │                                conflict                │
//	          └── poison ─────────────────────────┴──> parked          │
//	                                                 store away: pause, retry, nothing acked
//
// An event is acknowledged only when what it asked for is durable. One that comes early is kept inside the replica's
// own record and applied by the write that makes it next, at whichever member of the service that happens. So nothing
// waits un-acked at the broker, where it would hold a slot of the member's MaxInflight until AckWait and could starve
// the group (docs/contract.md, Verdicts and Measured facts). What finds no room in the record is parked, and applied
// when it is next (package parking).
//
// Files: verdict.go compares versions, image.go applies a verdict to one record in memory, waiting.go has the early
// events that found no room in it, decide.go decides on a delivery and what it releases, handling.go stores what was
// decided of many records at once, batch.go is what comes in and goes out of that. queue.go keeps the order and brings
// neighbours together, lanes.go takes batches from it, consumer.go is a member of the group, membership.go joins and
// leaves, window.go decides how many events a member holds at once. replay.go reads history again, coverage.go counts
// what it has, generation.go and rebuild.go make replicas anew. retry.go, resync.go, dropearly.go, gaps.go and
// retention.go are for people.
package replica

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// Change is what one event does to one entity.
type Change[T any] struct {
	// ID and Version are the event's.
	ID      event.ID
	Version event.Version
	// Apply returns the state after the event, given the one before it. It is pure, and applied to its own result it
	// changes nothing: that is how an event is recognised as the same again.
	Apply func(before T) T
	// Whole reports that the event carries the whole entity, so that Apply needs no state before. It is given the zero
	// T then, and the stored state need not be decoded.
	Whole bool
}

// Kind is how the events of one kind of entity become replicas with state T.
type Kind[T any] struct {
	// Name is the entity's: "ticket".
	Name string
	// Subjects are the channels that together carry every version of these entities.
	Subjects []event.Subject
	// Decode reads an event; an error makes it poison. It is pure.
	Decode func(subject event.Subject, data []byte) (Change[T], error)
	// React, if not nil, changes entities of one's own because of an event. It is called with the state after the
	// event, before the replica advances, in version order for each entity and at the same time for different ones.
	// It must be idempotent, because a crash before the replica has advanced repeats it. A rebuild reacts only to
	// versions that the generation before has not reached. store.ErrUnavailable, fault.Unavailable (as of an outbox
	// without room) and context errors pause the service and are tried again for ever; any other error counts as an
	// attempt of the event, which is parked at the limit.
	React func(ctx context.Context, id event.ID, version event.Version, after T) error
}

// Config of a Replica. Zero values stand for the defaults.
type Config struct {
	// MaxAttempts is how often one event may fail for a reason of its own before it is parked. Default 20.
	MaxAttempts int
	// MaxEarly and MaxEarlyBytes are how many early events one record keeps, and how many bytes of payload. More are
	// parked; parked ones that become next are applied without a person. Default 256, and 1 MiB.
	MaxEarly, MaxEarlyBytes int
	// ParkingPage is how many parked events are in memory at once, each of up to 1 MiB. Default 32.
	ParkingPage int
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	orDefault(&c.MaxAttempts, 20)
	orDefault(&c.MaxEarly, 256)
	orDefault(&c.MaxEarlyBytes, 1<<20)
	orDefault(&c.ParkingPage, 32)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func orDefault[T comparable](value *T, standard T) {
	var zero T
	if *value == zero {
		*value = standard
	}
}

// Replica is the store's side of a kind: reading replicas and applying events to them. All methods may be called
// concurrently, also by other members of the service on the same store.
type Replica[T any] struct {
	kind    Kind[T]
	db      store.Database
	present atomic.Pointer[generation]
	marks   store.Collection
	config  Config
	log     *slog.Logger
	// verdicts counts what was decided.
	verdicts verdictCounts
	// building: it fills a generation that is not the present one.
	building bool
}

// Open opens the collections that replicas of this kind live in. store.ErrUnavailable if the store cannot be reached.
func Open[T any](ctx context.Context, kind Kind[T], db store.Database, config Config, log *slog.Logger) (*Replica[T], error) {
	marks, err := db.Collection(ctx, store.Spec{Name: "replica-marks"})
	if err != nil {
		return nil, fmt.Errorf("open marks: %w", err)
	}
	r := &Replica[T]{kind: kind, db: db, marks: marks, config: config.withDefaults(), log: log}
	m, _, err := r.readMark(ctx)
	if err != nil {
		return nil, err
	}
	present, err := r.open(ctx, m.Generation, m.Before)
	if err != nil {
		return nil, err
	}
	r.present.Store(present)
	return r, nil
}

// Name returns the kind's: "ticket".
func (r *Replica[T]) Name() string { return r.kind.Name }

// Subjects returns the channels the kind's events come on.
func (r *Replica[T]) Subjects() []event.Subject { return slices.Clone(r.kind.Subjects) }

// Parking returns where the events are that the present generation could not apply.
func (r *Replica[T]) Parking() *parking.Lot { return r.present.Load().lot }

// Get returns the replica of an entity and the version it stands at. store.ErrNotFound if no event of it has been
// applied yet, also if early ones are kept.
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
