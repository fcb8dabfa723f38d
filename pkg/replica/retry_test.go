package replica

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/decide"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// retried is how a retry ended.
type retried struct {
	Verdict Verdict
	Parked  bool
}

func mustRetry(t testing.TB, r *Replica[history], id string) retried {
	t.Helper()
	verdict, parked, err := r.Retry(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return retried{verdict, parked}
}

// errNoSeat is what fails in these tests.
var errNoSeat = errors.New("no such seat")

// A retry ends in applied, in still parked with the reason of now, or not parked because nothing needs it.
func TestRetry(t *testing.T) {
	reactions := &reactions{}
	decodes := historyKind()
	refuses := historyKind()
	refuses.Decode = func(event.Subject, []byte) (Change[history], error) {
		return Change[history]{}, errors.New("an old release")
	}
	other := sayData("x", 1, "other content")
	for name, tt := range map[string]struct {
		given   func(*testing.T, store.Database) // parks one event
		fails   error                            // what reactions return then
		want    retried
		reason  parking.Reason // if it stays parked
		stands  event.Version
		attempt int
	}{
		"what still fails stays parked": {
			func(t *testing.T, db store.Database) { parkFailed(t, db, reactions) }, errNoSeat,
			retried{Failed, true}, parking.Failed, 0, 4,
		},
		"what fails no more is applied, and what is kept behind it": {
			func(t *testing.T, db store.Database) { parkFailed(t, db, reactions) }, nil,
			retried{Apply, false}, "", 2, 0,
		},
		"what has come again meanwhile is stale": {
			func(t *testing.T, db store.Database) {
				parkFailed(t, db, reactions)
				reactions.fail = nil
				kind := reactions.kind()
				handle(t, openHistories(t, kind, db), newMail(kind).redeliver(50, 1, sayData("x", 1, "text 1")))
				parkAgain(t, openHistories(t, kind, db), sayData("x", 1, "text 1"))
			}, nil,
			retried{Stale, false}, "", 2, 0,
		},
		"poison stays poison": {
			func(t *testing.T, db store.Database) {
				handle(t, openHistories(t, decodes, db), newMail(decodes).say("x", 0), newMail(decodes).deliver([]byte("not JSON")))
			}, nil,
			retried{Poison, true}, parking.Poison, 0, 2,
		},
		"poison that a new release can read is applied": {
			func(t *testing.T, db store.Database) {
				handle(t, openHistories(t, refuses, db), newMail(refuses).deliver(sayData("x", 0, "text 0")))
			}, nil,
			retried{Apply, false}, "", 0, 0,
		},
		"poison that a new release finds in conflict": {
			func(t *testing.T, db store.Database) {
				handle(t, openHistories(t, decodes, db), newMail(decodes).sayFrom("x", 0, 1)...)
				handle(t, openHistories(t, refuses, db), newMail(refuses).deliver(other))
			}, nil,
			retried{Conflict, true}, parking.Conflict, 1, 1,
		},
		"poison that a new release can read and whose reaction fails": {
			func(t *testing.T, db store.Database) {
				handle(t, openHistories(t, reactions.kind(), db), newMail(decodes).say("x", 0))
				handle(t, openHistories(t, refuses, db), newMail(refuses).deliver(sayData("x", 1, "text 1")))
			}, errNoSeat,
			retried{Failed, true}, parking.Failed, 0, 1,
		},
		"a conflict stays one": {
			func(t *testing.T, db store.Database) {
				handle(t, openHistories(t, decodes, db), append(newMail(decodes).sayFrom("x", 0, 1), newMail(decodes).redeliver(9, 1, other))...)
			}, nil,
			retried{Conflict, true}, parking.Conflict, 1, 2,
		},
		"a conflict that its source has confirmed is stale": {
			func(t *testing.T, db store.Database) {
				r := openHistories(t, decodes, db)
				handle(t, r, append(newMail(decodes).sayFrom("x", 0, 1), newMail(decodes).redeliver(9, 1, other))...)
				if _, err := r.Resync(t.Context(), other, event.None); err != nil {
					t.Fatal(err)
				}
			}, nil,
			retried{Stale, false}, "", 1, 0,
		},
		"a conflict of the past is stale": {
			func(t *testing.T, db store.Database) {
				r := openHistories(t, decodes, db)
				handle(t, r, append(newMail(decodes).sayFrom("x", 0, 1), newMail(decodes).redeliver(9, 1, other))...)
				handle(t, r, newMail(decodes).redeliver(10, 1, sayData("x", 2, "text 2")))
			}, nil,
			retried{Stale, false}, "", 2, 0,
		},
		"an early one that still has no room": {
			func(t *testing.T, db store.Database) {
				handle(t, openHistories(t, decodes, db), append(newMail(decodes).sayFrom("x", 2, 1+room), newMail(decodes).redeliver(9, 1, sayData("x", 9, "text 9")), newMail(decodes).redeliver(10, 1, sayData("x", 0, "text 0")))...)
			}, nil,
			retried{Early, true}, parking.Early, 0, 2,
		},
		"an early one that has room now": {
			func(t *testing.T, db store.Database) {
				handle(t, openHistories(t, decodes, db), append(newMail(decodes).sayFrom("x", 1, room), newMail(decodes).redeliver(9, 1, sayData("x", 9, "text 9")))...)
				handle(t, openHistories(t, decodes, db), newMail(decodes).redeliver(10, 1, sayData("x", 0, "text 0")))
			}, nil,
			retried{Early, false}, "", room, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			db := memstore.New()
			reactions.fail = nil
			tt.given(t, db)
			reactions.fail = map[event.Version]error{1: tt.fails}
			r := openHistories(t, reactions.kind(), db)
			parked := mustListParked(t, r)
			if len(parked) != 1 {
				t.Fatalf("given %+v, want one event", parked)
			}
			if got := mustRetry(t, r, parked[0].ID); got != tt.want {
				t.Errorf("retried: %+v, want %+v", got, tt.want)
			}
			left := mustListParked(t, r)
			if tt.want.Parked != (len(left) == 1) {
				t.Errorf("left: %+v", left)
			} else if len(left) == 1 && (left[0].Reason != tt.reason || left[0].Attempts != tt.attempt) {
				t.Errorf("left as %s after %d attempts, want %s after %d", left[0].Reason, left[0].Attempts, tt.reason, tt.attempt)
			}
			if _, version := mustRead(t, r, "x"); version != tt.stands {
				t.Errorf("stands at %d, want %d", version, tt.stands)
			}
		})
	}
}

// parkFailed parks version 1 of x, because its reaction fails, with version 2 kept behind it.
func parkFailed(t *testing.T, db store.Database, react *reactions) {
	t.Helper()
	react.fail = map[event.Version]error{1: errNoSeat}
	r := openHistories(t, react.kind(), db)
	post := newMail(react.kind())
	handle(t, r, post.say("x", 0), post.say("x", 2))
	for range 3 {
		handle(t, r, post.redeliver(7, 1, sayData("x", 1, "text 1")))
	}
}

// parkAgain parks an event as one that has failed too often, whatever it is.
func parkAgain(t *testing.T, r *Replica[history], data []byte) {
	t.Helper()
	change, err := r.kind.Decode(saidChannel, data)
	if err != nil {
		t.Fatal(err)
	}
	failed := decide.EntryOf("history", change.ID, change.Version, store.Event{Channel: saidChannel, Sequence: 7, Data: data})
	if _, err := r.Parking().Fail(t.Context(), failed, 1); err != nil {
		t.Fatal(err)
	}
}

func TestRetryOfWhatIsNotParked(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	if _, _, err := r.Retry(t.Context(), "0123"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error is %v, want ErrNotFound", err)
	}
}

func TestRetryOfWhatIsOfAnotherKind(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	foreign := parking.Entry{Reason: parking.Poison, Channel: "test:foreign", Version: event.None, Data: []byte("{")}
	if err := r.Parking().Park(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	if _, parked, err := r.Retry(t.Context(), r.Parking().ID(foreign)); !errors.Is(err, ErrForeign) || !parked {
		t.Errorf("parked %v, error is %v, want ErrForeign", parked, err)
	}
}

// A store that is away leaves the event parked as it was.
func TestRetryWithoutAStore(t *testing.T) {
	db := &modelDB{Database: memstore.New(), left: -1}
	refuses := historyKind()
	refuses.Decode = func(event.Subject, []byte) (Change[history], error) {
		return Change[history]{}, errors.New("an old release")
	}
	handle(t, openHistories(t, refuses, db), newMail(refuses).deliver(sayData("x", 0, "text 0")))
	r := openHistories(t, historyKind(), db)
	before := mustListParked(t, r)
	for writes := range 2 {
		db.left = writes
		if _, parked, err := r.Retry(t.Context(), before[0].ID); !errors.Is(err, store.ErrUnavailable) || !parked && writes == 0 {
			t.Errorf("at write %d: parked %v, %v", writes, parked, err)
		}
		db.left = -1
		if diff := cmp.Diff(before, mustListParked(t, r)); diff != "" {
			t.Errorf("at write %d parked (-before +after):\n%s", writes, diff)
		}
	}
	if got := mustRetry(t, r, before[0].ID); got.Parked {
		t.Errorf("then: %+v", got)
	}
}

// What an earlier release has parked, in its one collection for all kinds, is handled again by the first turn.
func TestParkedByAnEarlierRelease(t *testing.T) {
	db := memstore.New()
	// given its collection, with an early event that is next, poison, and one of another kind
	old, err := db.Collection(t.Context(), store.Spec{Name: "parked", Indexes: []string{"status", "entity"}})
	if err != nil {
		t.Fatal(err)
	}
	for id, state := range map[string]string{
		"1a": `{"id":"1a","reason":"early","channel":"test:said","sequence":5,"hash":"00","entity":"history/x","version":1,"error":"more than 256 early events","attempts":1,"first":"2026-01-02T12:00:00Z","last":"2026-01-02T12:00:00Z","data":"eyJpZCI6IngiLCJ2ZXJzaW9uIjoxLCJ0ZXh0IjoidGV4dCAxIn0="}`,
		"1b": `{"id":"1b","reason":"poison","channel":"test:said","sequence":6,"hash":"00","version":-1,"error":"not JSON","attempts":1,"first":"2026-01-02T12:00:00Z","last":"2026-01-02T12:00:00Z","data":"ew=="}`,
		"1c": `{"id":"1c","reason":"poison","channel":"test:foreign","sequence":7,"hash":"00","version":-1,"error":"not JSON","attempts":1,"first":"2026-01-02T12:00:00Z","last":"2026-01-02T12:00:00Z","data":"ew=="}`,
	} {
		index := map[string]string{"status": "parked"}
		if id == "1a" {
			index["entity"] = "history/x"
		}
		if err := old.Put(t.Context(), store.Write{ID: id, Index: index, State: []byte(state)}); err != nil {
			t.Fatal(err)
		}
	}
	r := openHistories(t, historyKind(), db)
	handle(t, r, newMail(historyKind()).say("x", 0))
	// when it is taken over
	if err := r.takeOverParked(t.Context()); err != nil {
		t.Fatal(err)
	}
	// then the early one is applied, the poison is parked as today, and that of the other kind is left to it
	if _, version := mustRead(t, r, "x"); version != 1 {
		t.Errorf("stands at %d, want 1", version)
	}
	if parked := mustListParked(t, r); len(parked) != 1 || parked[0].Reason != parking.Poison || parked[0].Sequence != 6 {
		t.Errorf("parked %+v", parked)
	}
	left, err := old.List(t.Context(), store.Query{Limit: 10})
	if err != nil || !slices.EqualFunc(left, []string{"1c"}, func(r store.Record, id string) bool { return r.ID == id }) {
		t.Errorf("left to others: %+v, %v", left, err)
	}
	// and the collection stays for what a member of that release may still park
	foreign := historyKind()
	foreign.Name, foreign.Subjects = "foreign", []event.Subject{"test:foreign"}
	if err := openHistories(t, foreign, db).takeOverParked(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := old.List(t.Context(), store.Query{Limit: 10}); err != nil || len(left) > 0 {
		t.Errorf("left to nobody: %+v, %v; want an empty collection", left, err)
	}
}
