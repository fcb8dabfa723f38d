package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
)

// history is the entity of these tests: it remembers every version that was applied to it, in order, and
// what was said last.
type history struct {
	Applied []event.Version `json:"applied"`
	Text    string          `json:"text"`
}

// said is its event.
type said struct {
	ID      string        `json:"id"`
	Version event.Version `json:"version"`
	Text    string        `json:"text"`
}

const saidChannel = "test:said"

func historyKind() Kind[history] {
	return Kind[history]{
		Name:     "history",
		Subjects: []event.Subject{saidChannel},
		Decode: func(_ event.Subject, data []byte) (Change[history], error) {
			var s said
			if err := json.Unmarshal(data, &s); err != nil {
				return Change[history]{}, err
			}
			if s.ID == "" {
				return Change[history]{}, errors.New("id: missing")
			}
			return Change[history]{ID: event.ID(s.ID), Version: s.Version, Apply: func(h history) history {
				if n := len(h.Applied); n > 0 && h.Applied[n-1] == s.Version {
					h.Text = s.Text
					return h
				}
				return history{append(slices.Clone(h.Applied), s.Version), s.Text}
			}}, nil
		},
	}
}

func sayData(id event.ID, version event.Version, text string) []byte {
	data, err := json.Marshal(said{string(id), version, text})
	if err != nil {
		panic(err) // cannot happen: said has no value that JSON lacks
	}
	return data
}

// upTo is the history of an entity to which each version to last was applied once, in order.
func upTo(last event.Version) []event.Version {
	versions := []event.Version{}
	for v := event.Version(0); v <= last; v++ {
		versions = append(versions, v)
	}
	return versions
}

// mail makes deliveries and notes how they are settled.
type mail struct {
	mu       sync.Mutex
	kind     Kind[history]
	sequence uint64
	settled  map[uint64]error
}

func newMail(kind Kind[history]) *mail { return &mail{kind: kind, settled: map[uint64]error{}} }

func (m *mail) deliver(data []byte) *delivery[history] {
	m.mu.Lock()
	m.sequence++
	sequence := m.sequence
	m.mu.Unlock()
	return m.redeliver(sequence, 1, data)
}

func (m *mail) redeliver(sequence uint64, attempt int, data []byte) *delivery[history] {
	settle := func(err error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.settled[sequence] = err
	}
	message := bus.Message{Channel: saidChannel, Sequence: sequence, Attempt: attempt, Data: data}
	return newDelivery(m.kind, time.Now, saidChannel, message, settle)
}

func (m *mail) say(id event.ID, version event.Version) *delivery[history] {
	return m.deliver(sayData(id, version, fmt.Sprint("text ", version)))
}

// room is how many early events a record keeps in these tests, and roomBytes how many bytes of them.
const (
	room      = 3
	roomBytes = 3000
)

// small are bounds so low that every test that fills a record goes over them.
func small() Config {
	return Config{MaxAttempts: 3, MaxEarly: room, MaxEarlyBytes: roomBytes, ParkingPage: 2}
}

func openHistories(t testing.TB, kind Kind[history], db store.Database) *Replica[history] {
	t.Helper()
	return openWith(t, kind, db, small())
}

func openWith(t testing.TB, kind Kind[history], db store.Database, config Config) *Replica[history] {
	t.Helper()
	r, err := Open(t.Context(), kind, db, config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// handle gives a member some deliveries, now.
func handle(t testing.TB, r *Replica[history], deliveries ...*delivery[history]) {
	t.Helper()
	if err := r.handle(t.Context(), atNow(r, deliveries)); err != nil {
		t.Fatal(err)
	}
}

// handleIn does so for a rebuild that fills a generation.
func handleIn(t testing.TB, r *Replica[history], filled *generation.Generation, deliveries ...*delivery[history]) {
	t.Helper()
	if err := r.handleIn(t.Context(), filled, atNow(r, deliveries)); err != nil {
		t.Fatal(err)
	}
}

func atNow(r *Replica[history], deliveries []*delivery[history]) []*delivery[history] {
	for _, d := range deliveries {
		d.Event.At = r.config.Now()
	}
	return deliveries
}

// setMark sets what the service remembers of the kind.
func setMark(t testing.TB, r *Replica[history], state generation.State) {
	t.Helper()
	err := r.generations.Change(t.Context(), func(m *generation.State) bool {
		*m = state
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}

// perTurn reacts to one event after the other.
type perTurn func(id event.ID, version event.Version, after history) error

// React implements Reactor. An error of isAway is that of the store, any other refuses the turn.
func (react perTurn) React(_ context.Context, turns []Turn[history]) (map[int]error, error) {
	refused, stopped := map[int]error{}, map[event.ID]bool{}
	for i, turn := range turns {
		if stopped[turn.ID] {
			continue
		}
		err := react(turn.ID, turn.Version, turn.After)
		if isAway(err) {
			return nil, err
		}
		if err != nil {
			refused[i], stopped[turn.ID] = err, true
		}
	}
	return refused, nil
}

func mustRead(t testing.TB, r *Replica[history], id event.ID) (history, event.Version) {
	t.Helper()
	h, version, err := r.Get(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	return h, version
}

func mustListParked(t testing.TB, r *Replica[history]) []parking.Entry {
	t.Helper()
	parked, _, err := r.Parking().List(context.Background(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return parked
}

// mustListNotes returns all that the present lot holds, also the counted attempts of what is not parked.
func mustListNotes(t testing.TB, r *Replica[history]) []store.Record {
	t.Helper()
	records, err := r.db.Collection(t.Context(), store.Spec{Name: fmt.Sprintf("%s-parked-%d", r.kind.Name, r.generations.Present().Number)})
	if err != nil {
		t.Fatal(err)
	}
	notes, err := records.List(t.Context(), store.Query{Limit: 100})
	if err != nil {
		t.Fatal(err)
	}
	return notes
}
