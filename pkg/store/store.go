// Package store is the port to a service's own database: collections of records, one record per
// entity, each written whole and atomically.
//
// One write carries the new state of an entity, its version and the event that tells the others:
//
//	rule ──> Write{State, Version, Emit} ──> Put ──> Record{State, Version, Outbox[Version]}
//	                                                        │
//	                               relay <── Pending ───────┘
//	                                 └──> bus ──> Forget removes Outbox[Version]
//
// so there is no moment at which the state is stored and its event is not. Nothing here needs a
// transaction over several records. Replicas of other services' entities are records of the same
// form: Version is the version the replica stands at and Early holds events that came too soon.
//
// Adapters are store/bolt (embedded) and store/mongo (Kubernetes); store/storetest is the suite that
// both pass.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxOutbox is how many events of one entity may wait for the bus. A further change of that entity
// is refused by the caller, as docs/contract.md says under "The store port", until the relay has caught up.
const MaxOutbox = 100

// Errors of a store. Adapters wrap them; match with errors.Is.
var (
	// ErrNotFound: no record has this id.
	ErrNotFound = errors.New("record not found")
	// ErrConflict: the record is not at the revision the write named (for revision 0: it exists
	// already). Another writer was first. Read again and decide again: a read that begins after this error shows what
	// that writer stored, or what came later. Only a store that has changed its primary in between may show it late.
	ErrConflict = errors.New("record was changed by another writer")
	// ErrKeyTaken: another record holds the unique key. A read shows that record, as after ErrConflict.
	ErrKeyTaken = errors.New("unique key is taken")
	// ErrUnavailable: the store cannot be reached or cannot write. For a write the outcome is
	// unknown: it may have been stored.
	ErrUnavailable = errors.New("store unavailable")
)

// Refused is the error of a PutMany that says which of its writes were refused: those have not been stored, and
// all others of the batch are, durably. An adapter returns it where it knows; match with errors.As, and its reason
// with errors.Is.
type Refused struct {
	// IDs name the records, in no order.
	IDs []string
	// Reason is that of the first one: ErrConflict, ErrKeyTaken, or what is wrong with the stored record.
	Reason error
}

// Error names the reason alone: a batch may have thousands.
func (r *Refused) Error() string { return fmt.Sprintf("%d refused: %v", len(r.IDs), r.Reason) }

// Unwrap returns the reason.
func (r *Refused) Unwrap() error { return r.Reason }

// Event is an event kept in a record: in the outbox on its way to the bus, or early on its way from it.
type Event struct {
	// Channel is the bus channel, for instance "ticket:created".
	Channel string
	// Sequence is the broker's number in the channel; 0 while the event is not yet on the bus.
	Sequence uint64
	// At is when the event was put into the record, to the millisecond. It tells how long the event waits.
	At time.Time
	// Data is the payload, byte for byte as published.
	Data []byte
}

// Record is one entity as it is stored.
type Record struct {
	// ID is the entity's id, unique in its collection and never empty.
	ID string
	// Revision counts the writes of this record, from 1. A Write names the revision it read, so of
	// several writers that read the same one exactly one succeeds. Forget does not change it.
	Revision int64
	// Version is the entity's version by the event contract: 0 when created, -1 for the stub of a
	// replica that has only early events.
	Version int64
	// Key is unique in the collection; equal to ID where the entity needs no other.
	Key string
	// Index holds the values List can select by, by index name.
	Index map[string]string
	// State is the entity, in the service's own encoding; opaque to the store.
	State []byte
	// Outbox holds the events not yet known to be on the bus, by version.
	Outbox map[int64]Event
	// Early holds the events of a replica that came before their turn, by version.
	Early map[int64]Event
}

// Write is one conditional, atomic write of a whole record.
type Write struct {
	// ID names the record.
	ID string
	// Revision is the one that was read; 0 creates the record.
	Revision int64
	// Version, Key, Index, State and Early replace what is stored. An empty Key stands for ID.
	Version int64
	Key     string
	Index   map[string]string
	State   []byte
	Early   map[int64]Event
	// Emit are the events that join the outbox in the same write, the last one under Version, those before it under the
	// versions before. Other events in the outbox stay as they are.
	Emit []Event
}

// EmitVersion returns the version of the i-th event of Emit.
func (w Write) EmitVersion(i int) int64 { return w.Version - int64(len(w.Emit)-1-i) }

// Sent names events of one record that the broker has stored.
type Sent struct {
	ID       string
	Versions []int64
}

// Query selects a page of records in ascending order of ID.
type Query struct {
	// Index and Value select the records whose Index[Index] is Value; an empty Index selects all.
	// Index must have been named when the collection was opened.
	Index string
	Value string
	// After is the cursor: only records with a greater ID. Empty starts at the beginning.
	After string
	// Limit is the most records returned, at least 1.
	Limit int
}

// Collection is a set of records of one kind. All methods may be called concurrently. A method that
// writes returns nil only when the write is durable (it survives kill -9 and, as far as the disk
// keeps its word, a power cut). Every method returns ErrUnavailable when the store cannot serve it,
// and the context's error when ctx ended first; after a write both mean that its outcome is unknown.
type Collection interface {
	// Get reads one record. ErrNotFound where there is none.
	Get(ctx context.Context, id string) (Record, error)

	// GetMany reads those of the named records that exist, by id, each as of one moment between
	// call and return. Repeated ids are allowed.
	GetMany(ctx context.Context, ids []string) (map[string]Record, error)

	// Put writes one record. ErrConflict where the stored revision is not w.Revision, also where
	// the record was to be created and exists or was to be changed and does not; ErrKeyTaken where
	// another record holds the key. On these two errors nothing was written.
	Put(ctx context.Context, w Write) error

	// PutMany writes many records of different ids, each one atomically, all of them cheaper than
	// one by one. It returns nil when every one is stored. ErrConflict (or ErrKeyTaken) means that
	// at least one was not and any of the others may have been, unless the error is a *Refused: read them
	// again and decide again.
	PutMany(ctx context.Context, ws []Write) error

	// Delete removes a record that stands at the given revision. ErrConflict where it does not,
	// also where there is no such record.
	Delete(ctx context.Context, id string, revision int64) error

	// List returns one page of a query.
	List(ctx context.Context, q Query) ([]Record, error)

	// Pending returns, in ascending order of id after the cursor, at most limit records that have
	// events in their outbox. It reads only such records, however large the collection is.
	Pending(ctx context.Context, after string, limit int) ([]Record, error)

	// Forget removes events from outboxes. It changes no revision and conflicts with no writer;
	// ids and versions that are not there are skipped.
	Forget(ctx context.Context, sent []Sent) error
}

// Spec describes a collection when it is opened.
type Spec struct {
	// Name is the collection's name in the database: lower-case letters, digits and '-'.
	Name string
	// Indexes are the index names its records may use.
	Indexes []string
}

// Database is one service's store. All methods may be called concurrently.
type Database interface {
	// Collection opens a collection and creates what it needs (its indexes) where they are missing.
	// Opening one twice gives two handles of the same collection. ErrUnavailable where the store
	// cannot be reached.
	Collection(ctx context.Context, spec Spec) (Collection, error)

	// Drop removes a collection with all that is in it, durably on return. One that is not there is no error. The
	// caller makes sure that nobody needs it any more. Through a handle from before nothing is found, and what is
	// written begins the collection anew, without its indexes; or reads and writes fail with ErrUnavailable. Opening it
	// again makes an empty one. After an error some of its records may have been removed, or all.
	Drop(ctx context.Context, name string) error

	// Ping returns nil when the store can be written to now, else ErrUnavailable with the reason.
	Ping(ctx context.Context) error

	// Close waits for running calls and releases the database. Later calls return ErrUnavailable.
	Close() error
}
