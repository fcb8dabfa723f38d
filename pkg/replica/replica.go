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
// Files: handling.go stores what package decide decides, delivery.go is what comes in and goes out of that. consumer.go
// is a member of the group, membership.go joins and leaves. history.go reads history again if it has to, rebuild.go makes
// replicas anew. retry.go, mend.go and gaps.go are for people. Below internal: decide compares
// versions, generation keeps sets of replicas, queue and lanes bring events of neighbours together, window limits how
// many a member holds, coverage counts what a replay has.
package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/decide"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
)

// Change is what one event does to one entity.
type Change[T any] = decide.Change[T]

// Verdict is what is to be done with one event (docs/contract.md, Verdicts).
type Verdict = decide.Verdict

// The verdicts.
const (
	Apply    = decide.Apply
	Stale    = decide.Stale
	Conflict = decide.Conflict
	Early    = decide.Early
	Poison   = decide.Poison
	Failed   = decide.Failed
)

// Turn is one event at its turn: what a reaction is given.
type Turn[T any] = decide.Turn[T]

// Reactor changes entities of one's own because of events; package outbox has one. It is called before the replicas
// advance, with the turns of a batch, in version order for each entity. What it returns as done is durable.
//
// A turn may be repeated, also after later ones of its entity: by a crash before the replicas have advanced, by a member
// that was held up while another one went on, and by the group behind a rebuild that was ahead of it. Before such an
// event is acknowledged, the version that the replica stands at has its turn once more. So a reaction that makes the
// own entity agree with the replica as it stands ends right, whatever was repeated; one that counts must remember the
// version it has reacted to. Versions that an event of the same batch ends (event.Subject.Terminal) get no turn. A
// rebuild reacts only to versions that the generation before has not reached.
type Reactor[T any] interface {
	// React returns the turns that are refused, by index, each with its reason: those count as attempts of their
	// events. Turns of an entity behind a refused one are left alone. An error means that any of them may be undone:
	// store.ErrUnavailable, fault.Unavailable (as of an outbox without room) and context errors pause the service and
	// are tried again for ever.
	React(ctx context.Context, turns []Turn[T]) (refused map[int]error, err error)
}

// Hopeless marks the reason of a refusal that no retry can change: the event is parked at once, with that reason.
func Hopeless(reason error) error { return hopeless{reason} }

type hopeless struct{ error }

// Unwrap returns the reason.
func (h hopeless) Unwrap() error { return h.error }

// isAway reports whether an attempt says nothing about the event: the store did not serve it, the outbox of an entity
// that a reaction changes has no room until the bus has taken some of it, or the attempt was given up.
func isAway(err error) bool {
	return errors.Is(err, store.ErrUnavailable) || fault.KindOf(err) == fault.Unavailable ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// Kind is how the events of one kind of entity become replicas with state T.
type Kind[T any] struct {
	// Name is the entity's: "ticket".
	Name string
	// Subjects are the channels that together carry every version of these entities.
	Subjects []event.Subject
	// Decode reads an event; an error makes it poison. It is pure.
	Decode func(subject event.Subject, data []byte) (Change[T], error)
	// React reacts to these events; nil if nobody does.
	React Reactor[T]
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

// ConsumerConfig is how a member takes events. Zero values stand for the defaults.
type ConsumerConfig struct {
	// Group is the queue group and durable name of the service, "orders-service". Required.
	Group string
	// AckWait is the subscription's. Default bus.DefaultAckWait.
	AckWait time.Duration
	// MaxInflight is the most events of one channel that the member holds at once. It begins with 256, and takes more
	// or fewer so that each is settled well within AckWait, however slow the store is (see window). Default 16384. The
	// more wait, the more neighbours a batch has: with 8192 it caught up a sixth slower, with 24576 a twentieth faster
	// (make bench).
	MaxInflight int
	// MaxHeldBytes bounds the payloads in all lanes together, waiting and in work: the broker lets an event have 1 MiB,
	// and thousands of those at once would end a process of some hundred MB. Default 32 MiB.
	MaxHeldBytes int64
	// Lanes is how many batches are handled at the same time. Default 3: while one is written, others are read and
	// decided on, and what waits for a fourth would only be missing in the next stretch of the queue (make bench).
	Lanes int
	// MaxBatch bounds how many events one write carries. A short stretch of the queue has as many neighbours as a long
	// one, and leaves more for the next lane to choose from. Default 1024: 500 measured alike, 2,000 and 4,000 were a
	// tenth and a fifth slower (make bench).
	MaxBatch int
	// MaxLower is about how many entities a rebuild compares at a time with what they were before it began, each
	// time after another fill. Default 10,000.
	MaxLower int
	// MaxBackoff is the longest pause between attempts while the store is away. Default 5 s.
	MaxBackoff time.Duration
	// LookEvery is how often a replay looks whether the broker still has what is missing. Default 1 s.
	LookEvery time.Duration
}

func (c ConsumerConfig) withDefaults() ConsumerConfig {
	orDefault(&c.AckWait, bus.DefaultAckWait)
	orDefault(&c.MaxInflight, 16384)
	orDefault(&c.MaxHeldBytes, 32<<20)
	orDefault(&c.Lanes, 3)
	orDefault(&c.MaxBatch, 1024)
	orDefault(&c.MaxLower, 10_000)
	orDefault(&c.MaxBackoff, 5*time.Second)
	orDefault(&c.LookEvery, time.Second)
	return c
}

// Bus is what a consumer needs of the bus.
type Bus interface {
	bus.Subscriber
	bus.Inspector
	// Connected waits until the broker has accepted this client. That is the only sign that the broker has read its
	// books in: before, channels and durables may be missing from what Channel returns (docs/contract.md, Measured
	// facts). bus.ErrUnavailable if ctx ends first.
	Connected(ctx context.Context) error
}

// Replica is the store's side of a kind: reading replicas and applying events to them. All methods may be called
// concurrently, also by other members of the service on the same store.
type Replica[T any] struct {
	kind        Kind[T]
	db          store.Database
	generations *generation.Generations
	config      Config
	log         *slog.Logger
	counts      [Failed + 1]atomic.Uint64 // of verdicts
}

// Open opens the collections that replicas of this kind live in. store.ErrUnavailable if the store cannot be reached.
func Open[T any](ctx context.Context, kind Kind[T], db store.Database, config Config, log *slog.Logger) (*Replica[T], error) {
	config = config.withDefaults()
	generations, err := generation.Open(ctx, db, generation.Config{
		Kind: kind.Name, Indexes: []string{decide.GapIndex}, Page: config.ParkingPage, Now: config.Now,
	}, log)
	if err != nil {
		return nil, err
	}
	return &Replica[T]{kind: kind, db: db, generations: generations, config: config, log: log}, nil
}

// Name returns the kind's: "ticket".
func (r *Replica[T]) Name() string { return r.kind.Name }

// Parking returns where the events are that the present generation could not apply.
func (r *Replica[T]) Parking() *parking.Lot { return r.generations.Present().Lot }

// Verdicts returns how often each verdict was given since the start.
func (r *Replica[T]) Verdicts() map[Verdict]uint64 {
	counts := map[Verdict]uint64{}
	for v := Apply; v <= Failed; v++ {
		counts[v] = r.counts[v].Load()
	}
	return counts
}

// Get returns the replica of an entity and the version it stands at. store.ErrNotFound if no event of it has been
// applied yet, also if early ones are kept.
func (r *Replica[T]) Get(ctx context.Context, id event.ID) (T, event.Version, error) {
	var state T
	record, err := r.generations.Present().Records.Get(ctx, string(id))
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

// Item is one replica as verify sees it.
type Item struct {
	ID      event.ID        `json:"id"`
	Version event.Version   `json:"version"`
	State   json.RawMessage `json:"state"`
}

// List returns a page of replicas in ascending order of id, after the given one. Entities of which only
// early events have come are left out, so a page may be shorter than limit; next is empty at the end.
func (r *Replica[T]) List(ctx context.Context, after event.ID, limit int) (items []Item, next event.ID, err error) {
	records, err := r.generations.Present().Records.List(ctx, store.Query{After: string(after), Limit: limit})
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
	record, err := r.generations.Present().Records.Get(ctx, string(id))
	if err == nil && event.Version(record.Version) == event.None {
		err = store.ErrNotFound
	}
	if err != nil {
		return Item{}, fmt.Errorf("read %s %s: %w", r.kind.Name, id, err)
	}
	return Item{id, event.Version(record.Version), record.State}, nil
}
