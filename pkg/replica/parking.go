package replica

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// Reasons an event is parked for.
const (
	// ReasonPoison: it cannot be decoded or breaks the contract.
	ReasonPoison = "poison"
	// ReasonConflict: the version it carries was seen with other content.
	ReasonConflict = "conflict"
	// ReasonEarly: it came early and its entity's record had no room. Applied without a person once it is next.
	ReasonEarly = "early"
	// ReasonFailed: handling it failed too often.
	ReasonFailed = "failed"
)

// Parked is an event set aside, as a person sees it.
type Parked struct {
	// ID is made of channel, sequence and content: the same delivery parks once, and after a new broker
	// disk, where sequences start again, another event with the same sequence parks beside it.
	ID       string `json:"id"`
	Reason   string `json:"reason"`
	Channel  string `json:"channel"`
	Sequence uint64 `json:"sequence"`
	// Hash is the SHA-256 of Data, in hex.
	Hash string `json:"hash"`
	// Entity is "ticket/<id>" and Version the event's, where they are known.
	Entity  string        `json:"entity,omitempty"`
	Version event.Version `json:"version"`
	// Error says what was wrong, the last time.
	Error string `json:"error"`
	// Attempts counts the times it was handled and failed; First and Last are the times of the first and last. A
	// first one that lies after the last, because the clock was set back between them, is told as at the same time.
	Attempts int       `json:"attempts"`
	First    time.Time `json:"first"`
	Last     time.Time `json:"last"`
	// Data is the payload, byte for byte.
	Data []byte `json:"data"`
}

const (
	parkedStatusIndex = "status"
	parkedEntityIndex = "entity"

	statusParked  = "parked"
	statusFailing = "failing" // not parked yet: only its attempts are counted
)

// Parking holds the events of one service that could not be applied, in its own store, with the reason.
// All methods may be called concurrently; those that write are durable on return. Store errors come
// through wrapped.
type Parking struct {
	records store.Collection
	now     func() time.Time
}

// OpenParking opens the parking of the service that owns db.
func OpenParking(ctx context.Context, db store.Database, now func() time.Time) (*Parking, error) {
	records, err := db.Collection(ctx, store.Spec{Name: "parked", Indexes: []string{parkedStatusIndex, parkedEntityIndex}})
	if err != nil {
		return nil, fmt.Errorf("open parking: %w", err)
	}
	return &Parking{records: records, now: now}, nil
}

// List returns a page of parked events in the order of their ids, after the given one.
func (p *Parking) List(ctx context.Context, after string, limit int) ([]Parked, error) {
	return p.list(ctx, store.Query{Index: parkedStatusIndex, Value: statusParked, After: after, Limit: limit})
}

// Get returns one parked event. store.ErrNotFound where it is not, or no longer, parked.
func (p *Parking) Get(ctx context.Context, id string) (Parked, error) {
	entry, _, err := p.read(ctx, id)
	return entry, err
}

// Drop removes a parked event; a person has decided that it is not needed. A rebuild that meets it in the broker's
// history parks it again. store.ErrNotFound where it is not parked.
func (p *Parking) Drop(ctx context.Context, id string) error {
	for {
		_, revision, err := p.read(ctx, id)
		if err != nil {
			return err
		}
		if err := p.records.Delete(ctx, id, revision); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

func (p *Parking) read(ctx context.Context, id string) (entry Parked, revision int64, err error) {
	record, err := p.records.Get(ctx, id)
	if err == nil && record.Index[parkedStatusIndex] != statusParked {
		err = store.ErrNotFound // only its attempts are counted
	}
	if err != nil {
		return Parked{}, 0, fmt.Errorf("read parked %s: %w", id, err)
	}
	entry, err = parkedOf(record)
	return entry, record.Revision, err
}

// setAside is an event to be parked.
type setAside struct {
	event   store.Event
	entity  string
	version event.Version
	reason  string
	cause   error
}

// parkAll parks many at the same time: concurrent writes share one fsync.
func (p *Parking) parkAll(ctx context.Context, events []setAside) error {
	parking, ctx := errgroup.WithContext(ctx)
	parking.SetLimit(64)
	for _, e := range events {
		parking.Go(func() error { return p.park(ctx, e.event, e.entity, e.version, e.reason, e.cause) })
	}
	return parking.Wait()
}

// park sets an event aside. Parking the same delivery again changes nothing but its count.
func (p *Parking) park(ctx context.Context, ev store.Event, entity string, version event.Version, reason string, cause error) error {
	_, err := p.count(ctx, ev, entity, version, cause, func(entry *Parked) bool {
		entry.Reason = reason
		return true
	})
	if err != nil {
		return fmt.Errorf("park %s %d: %w", ev.Channel, ev.Sequence, err)
	}
	return nil
}

// fail counts a failed attempt. At the last one allowed it parks the event and reports true.
func (p *Parking) fail(ctx context.Context, ev store.Event, entity string, version event.Version, cause error, most int) (bool, error) {
	parked, err := p.count(ctx, ev, entity, version, cause, func(entry *Parked) bool {
		if entry.Attempts < most {
			return false
		}
		entry.Reason = ReasonFailed
		return true
	})
	if err != nil {
		return false, fmt.Errorf("count attempt of %s %d: %w", ev.Channel, ev.Sequence, err)
	}
	return parked, nil
}

// count notes one more attempt in the event's record and asks park whether that parks it, which it
// reports. An event that is parked already stays so whatever the answer.
func (p *Parking) count(ctx context.Context, ev store.Event, entity string, version event.Version, cause error,
	park func(*Parked) bool) (bool, error) {
	id := parkedID(ev)
	for {
		record, err := p.records.Get(ctx, id)
		now := p.now().UTC()
		entry := newParked(id, ev, now)
		if err == nil {
			entry, err = parkedOf(record)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
		entry.Entity, entry.Version = entity, version
		entry.Error, entry.Last = cause.Error(), now
		entry.First = earlier(entry.First, now)
		entry.Attempts++
		parked := park(&entry)
		status := statusFailing
		if parked || record.Index[parkedStatusIndex] == statusParked {
			status = statusParked
		}
		if err = p.put(ctx, entry, record.Revision, status); !errors.Is(err, store.ErrConflict) {
			return parked, err
		}
	}
}

func (p *Parking) put(ctx context.Context, entry Parked, revision int64, status string) error {
	state, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	index := map[string]string{parkedStatusIndex: status}
	if entry.Entity != "" {
		index[parkedEntityIndex] = entry.Entity
	}
	return p.records.Put(ctx, store.Write{ID: entry.ID, Revision: revision, Index: index, State: state})
}

// settled removes what was noted about events that have been handled since: counted attempts, and parked
// ones that were early or failed. Poison and conflicts stay for a person. Unknown ones are skipped.
func (p *Parking) settled(ctx context.Context, events []store.Event) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(64) // concurrent deletions share one fsync
	for _, ev := range events {
		group.Go(func() error {
			for {
				record, err := p.records.Get(ctx, parkedID(ev))
				if errors.Is(err, store.ErrNotFound) {
					return nil
				}
				if err == nil {
					var entry Parked
					if entry, err = parkedOf(record); err != nil || entry.Reason == ReasonPoison || entry.Reason == ReasonConflict {
						return err
					}
					err = p.records.Delete(ctx, record.ID, record.Revision)
				}
				if !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// earlyOf returns the events of one entity that are parked because they were early.
func (p *Parking) earlyOf(ctx context.Context, entity string) ([]Parked, error) {
	const page = 500
	var early []Parked
	after := ""
	for {
		entries, err := p.list(ctx, store.Query{Index: parkedEntityIndex, Value: entity, After: after, Limit: page})
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if entry.Reason == ReasonEarly {
				early = append(early, entry)
			}
		}
		if len(entries) < page {
			return early, nil
		}
		after = entries[page-1].ID
	}
}

func (p *Parking) list(ctx context.Context, q store.Query) ([]Parked, error) {
	records, err := p.records.List(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list parked: %w", err)
	}
	entries := make([]Parked, 0, len(records))
	for _, record := range records {
		entry, err := parkedOf(record)
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

func newParked(id string, ev store.Event, now time.Time) Parked {
	hash := sha256.Sum256(ev.Data)
	return Parked{ID: id, Channel: ev.Channel, Sequence: ev.Sequence, Hash: hex.EncodeToString(hash[:]),
		First: now, Data: ev.Data}
}

func parkedOf(record store.Record) (Parked, error) {
	var entry Parked
	if err := json.Unmarshal(record.State, &entry); err != nil {
		return entry, fmt.Errorf("decode parked %s: %w", record.ID, err)
	}
	return entry, nil
}

// event is the delivery that was parked.
func (p Parked) event() store.Event {
	return store.Event{Channel: p.Channel, Sequence: p.Sequence, Data: p.Data}
}

func parkedID(ev store.Event) string {
	h := sha256.New()
	h.Write([]byte(ev.Channel))
	h.Write(binary.BigEndian.AppendUint64([]byte{0}, ev.Sequence))
	h.Write(ev.Data)
	return hex.EncodeToString(h.Sum(nil))[:24]
}
