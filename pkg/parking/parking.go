// Package parking keeps the events that a service cannot apply now, each with its reason, until they can be applied
// or a person decides.
//
//	poison, conflict, failed too often ──> Park, Fail ──> Lot ──> List, Get ──> a person retries or drops
//	early, no room in the record ────────> Park ──────────┘ └──> Early ──> applied when it is next ──> Settle
//
// A lot belongs to one generation of one kind's replicas, because what is parked says something about the records
// beside it. A rebuild parks into the lot of the generation that it fills, and a generation is removed together with
// its lot.
//
// An event is known by its entity, version, channel and content. Copies of one event are one entry; two events with
// one version and different content are two.
package parking

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// Reason is why an event is parked (docs/contract.md, Verdicts).
type Reason string

// The reasons.
const (
	// Poison: the event cannot be decoded or breaks the contract.
	Poison Reason = "poison"
	// Conflict: the version it carries was seen with other content.
	Conflict Reason = "conflict"
	// Early: it came early and its entity's record had no room. Applied without a person once it is next.
	Early Reason = "early"
	// Failed: handling it failed too often.
	Failed Reason = "failed"
)

// Entry is a parked event.
type Entry struct {
	// ID names the entry in its lot. The lot sets it.
	ID     string `json:"id"`
	Reason Reason `json:"reason"`
	// Channel and Sequence are those of the first copy that was parked.
	Channel  string `json:"channel"`
	Sequence uint64 `json:"sequence"`
	// Hash is the SHA-256 of Data, in hex. The lot sets it.
	Hash string `json:"hash"`
	// Entity is "ticket/<id>" and Version the event's. Poison has neither: "" and event.None.
	Entity  string        `json:"entity,omitempty"`
	Version event.Version `json:"version"`
	// Error is what was wrong, the last time.
	Error string `json:"error"`
	// Attempts counts the times the event was parked or failed, First and Last are the times of the first and last.
	// First is never after Last, even if the clock was set back between them. The lot sets all three.
	Attempts int       `json:"attempts"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	// Data is the payload, byte for byte.
	Data []byte `json:"data"`
}

// Event returns the event as a store keeps it.
func (e Entry) Event() store.Event {
	return store.Event{Channel: e.Channel, Sequence: e.Sequence, At: e.First, Data: e.Data}
}

// Config of a Lot. Zero values stand for the defaults.
type Config struct {
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Page is how many records are read at once, each with a payload of up to 1 MiB. Default 32.
	Page int
	// PageBytes bounds the payloads that List returns at once. Default 1 MiB.
	PageBytes int
}

const (
	defaultPage      = 32
	defaultPageBytes = 1 << 20
)

// Lot is the parking of one generation. All methods may be called concurrently, also by other instances on the same
// store. Those that write are durable on return. Store errors come through wrapped.
type Lot struct {
	name    string
	records store.Collection
	config  Config
}

// The indexes of a lot's records.
const (
	statusIndex = "status"
	earlyIndex  = "early" // the entity of an event that is parked as early

	statusParked  = "parked"
	statusFailing = "failing" // not parked yet: only its attempts are counted
)

// Open opens the lot of this name; store.Database.Drop with the same name removes it. store.ErrUnavailable if the
// store cannot be reached.
func Open(ctx context.Context, db store.Database, name string, config Config) (*Lot, error) {
	return open(ctx, db, store.Spec{Name: name, Indexes: []string{statusIndex, earlyIndex}}, config)
}

// OpenEarlier opens the collection in which releases before the lots kept what all kinds of a service had parked, to
// List what is in it and to Drop it from there. The ids are of another form.
func OpenEarlier(ctx context.Context, db store.Database, config Config) (*Lot, error) {
	return open(ctx, db, store.Spec{Name: "parked", Indexes: []string{statusIndex, "entity"}}, config)
}

func open(ctx context.Context, db store.Database, spec store.Spec, config Config) (*Lot, error) {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Page == 0 {
		config.Page = defaultPage
	}
	if config.PageBytes == 0 {
		config.PageBytes = defaultPageBytes
	}
	records, err := db.Collection(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("open parking %s: %w", spec.Name, err)
	}
	return &Lot{name: spec.Name, records: records, config: config}, nil
}

func entryOf(record store.Record) (Entry, error) {
	var entry Entry
	if err := json.Unmarshal(record.State, &entry); err != nil {
		return entry, fmt.Errorf("decode parked %s: %w", record.ID, err)
	}
	return entry, nil
}

func entriesOf(records []store.Record) ([]Entry, error) {
	entries := make([]Entry, len(records))
	for i, record := range records {
		var err error
		if entries[i], err = entryOf(record); err != nil {
			return nil, err
		}
	}
	return entries, nil
}
