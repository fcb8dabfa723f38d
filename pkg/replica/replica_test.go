package replica

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/decide"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

func TestVerdictsOfOneEntity(t *testing.T) {
	type step struct {
		version event.Version
		text    string
		verdict Verdict
	}
	tests := []struct {
		name        string
		steps       []step
		wantVersion event.Version
		wantParked  []parking.Reason
	}{
		{"in order", []step{{0, "a", Apply}, {1, "b", Apply}, {2, "c", Apply}}, 2, nil},
		{"twice", []step{{0, "a", Apply}, {0, "a", Stale}, {1, "b", Apply}, {0, "a", Stale}, {1, "b", Stale}}, 1, nil},
		{"swapped", []step{{0, "a", Apply}, {2, "c", Early}, {1, "b", Apply}, {2, "c", Stale}}, 2, nil},
		{"backwards", []step{{2, "c", Early}, {1, "b", Early}, {0, "a", Apply}}, 2, nil},
		{"early twice", []step{{1, "b", Early}, {1, "b", Early}, {0, "a", Apply}}, 1, nil},
		{"other content at the stored version", []step{{0, "a", Apply}, {0, "other", Conflict}, {1, "b", Apply}}, 1, []parking.Reason{parking.Conflict}},
		{"other content among the early", []step{{1, "b", Early}, {1, "other", Conflict}, {0, "a", Apply}}, 1, []parking.Reason{parking.Conflict}},
		{"a gap that stays", []step{{0, "a", Apply}, {event.MaxVersion, "z", Early}}, 0, nil},
	}
	for _, tt := range tests {
		for _, batched := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, batched %v", tt.name, batched), func(t *testing.T) {
				r := openHistories(t, historyKind(), memstore.New())
				post := newMail(historyKind())
				var batch []*delivery[history]
				for _, s := range tt.steps {
					d := post.deliver(sayData("x", s.version, s.text))
					batch = append(batch, d)
					if !batched {
						handle(t, r, d)
					}
				}
				if batched {
					handle(t, r, batch...)
				}
				for i, s := range tt.steps {
					if batch[i].Verdict != s.verdict {
						t.Errorf("step %d, version %d: verdict %v, want %v", i, s.version, batch[i].Verdict, s.verdict)
					}
					if err, ok := post.settled[uint64(i+1)]; !ok || err != nil {
						t.Errorf("step %d: settled %v with %v, want acknowledged", i, ok, err)
					}
				}
				got, version := mustRead(t, r, "x")
				if version != tt.wantVersion || !slices.Equal(got.Applied, upTo(tt.wantVersion)) {
					t.Errorf("stands at %d, applied %v; want each version to %d once", version, got.Applied, tt.wantVersion)
				}
				var reasons []parking.Reason
				for _, p := range mustListParked(t, r) {
					reasons = append(reasons, p.Reason)
				}
				if diff := cmp.Diff(tt.wantParked, reasons); diff != "" {
					t.Errorf("parked (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestAStubIsNotSeen(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	post := newMail(historyKind())
	handle(t, r, post.say("x", 3))
	if _, _, err := r.Get(t.Context(), "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("reading an entity with only early events: %v, want ErrNotFound", err)
	}
	if err, ok := post.settled[1]; !ok || err != nil {
		t.Errorf("the early event is settled %v with %v, want acknowledged", ok, err)
	}
}

func TestAStaleEventIsNoWrite(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	post := newMail(historyKind())
	handle(t, r, post.say("x", 0), post.say("x", 1))
	before, err := r.generations.Present().Records.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	handle(t, r, post.say("x", 0), post.say("x", 1))
	after, err := r.generations.Present().Records.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the record was written (-before +after):\n%s", diff)
	}
}

func TestPoisonIsParkedWithItsReason(t *testing.T) {
	// given events that cannot be used, with a good one behind them in the same batch
	r := openHistories(t, historyKind(), memstore.New())
	post := newMail(historyKind())
	poison := [][]byte{[]byte("not JSON"), []byte(`{"version":1}`), {0xff, 0x00}}
	batch := []*delivery[history]{post.deliver(poison[0]), post.deliver(poison[1]), post.deliver(poison[2]), post.say("x", 0)}
	// when they are handled, and the first is delivered once more
	handle(t, r, batch...)
	handle(t, r, post.redeliver(1, 2, poison[0]))
	// then each is parked once, byte for byte, acknowledged, and the good one is applied
	got := mustListParked(t, r)
	slices.SortFunc(got, func(a, b parking.Entry) int { return int(a.Sequence) - int(b.Sequence) })
	want := []parking.Entry{
		{Reason: parking.Poison, Channel: saidChannel, Sequence: 1, Version: event.None, Attempts: 2, Data: poison[0],
			Hash: "2443630b79bc8294d4abdfc45eea7af6af31df29a8abbc14ba3b7d80bb27e83f"},
		{Reason: parking.Poison, Channel: saidChannel, Sequence: 2, Version: event.None, Attempts: 1, Data: poison[1], Error: "id: missing"},
		{Reason: parking.Poison, Channel: saidChannel, Sequence: 3, Version: event.None, Attempts: 1, Data: poison[2]},
	}
	ignore := cmpopts.IgnoreFields(parking.Entry{}, "ID", "First", "Last", "Error", "Hash")
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("parked (-want +got):\n%s", diff)
	}
	for _, p := range got {
		if p.Error == "" || len(p.Hash) != 64 || p.First.IsZero() || p.Last.Before(p.First) {
			t.Errorf("incomplete: %+v", p)
		}
	}
	for sequence := uint64(1); sequence <= 4; sequence++ {
		if err, ok := post.settled[sequence]; !ok || err != nil {
			t.Errorf("sequence %d settled %v with %v, want acknowledged", sequence, ok, err)
		}
	}
	if _, version := mustRead(t, r, "x"); version != 0 {
		t.Errorf("the good event was not applied: version %d", version)
	}
}

// More early events than a record keeps are parked, and applied without a person when their turn comes.
func TestEarlyEventsBeyondTheRecordsRoom(t *testing.T) {
	const last = room + 15
	r := openHistories(t, historyKind(), memstore.New())
	post := newMail(historyKind())
	// given every version but the first two, in random order, some of them twice
	versions := rand.Perm(last - 1)
	for chunk := range slices.Chunk(append(versions, versions[:4]...), 5) {
		var batch []*delivery[history]
		for _, v := range chunk {
			batch = append(batch, post.say("x", event.Version(v+2)))
		}
		handle(t, r, batch...)
	}
	record, err := r.generations.Present().Records.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if len(record.Early) != room {
		t.Errorf("the record keeps %d events, want %d", len(record.Early), room)
	}
	if parked := mustListParked(t, r); len(parked) < last-1-room || parked[0].Reason != parking.Early || parked[0].Entity != "history/x" {
		t.Errorf("%d parked, the first %+v", len(parked), parked[0])
	}
	// when the missing ones come
	handle(t, r, post.say("x", 0))
	handle(t, r, post.say("x", 1))
	// then every version is applied once, in order, and nothing is left anywhere
	got, version := mustRead(t, r, "x")
	if version != last || !slices.Equal(got.Applied, upTo(last)) {
		t.Errorf("stands at %d after applying %d events, want %d", version, len(got.Applied), last)
	}
	if parked := mustListParked(t, r); len(parked) != 0 {
		t.Errorf("%d events are still parked", len(parked))
	}
	handle(t, r, post.say("x", last+1))
	record, err = r.generations.Present().Records.Get(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	if len(record.Early) != 0 || record.Index[decide.GapIndex] != "" {
		t.Errorf("the record still keeps %d events and the mark %q", len(record.Early), record.Index[decide.GapIndex])
	}
}

// However the events of some entities are ordered, repeated and cut into batches, each is applied exactly
// once and in order.
func TestAnyOrderAppliesEachVersionOnce(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const entities, last = 3, 7
		config := small()
		config.MaxEarly, config.ParkingPage = rapid.IntRange(1, 3).Draw(rt, "room"), rapid.IntRange(1, 3).Draw(rt, "page")
		r := openWith(t, historyKind(), memstore.New(), config)
		post := newMail(historyKind())
		var all []*delivery[history]
		for e := range entities {
			for v := range event.Version(last + 1) {
				for range rapid.IntRange(1, 3).Draw(rt, "copies") {
					all = append(all, post.say(event.ID(fmt.Sprint("e", e)), v))
				}
			}
		}
		all = rapid.Permutation(all).Draw(rt, "order")
		for len(all) > 0 {
			n := rapid.IntRange(1, len(all)).Draw(rt, "batch")
			handle(t, r, all[:n]...)
			all = all[n:]
		}
		for e := range entities {
			if got, version := mustRead(t, r, event.ID(fmt.Sprint("e", e))); version != last || !slices.Equal(got.Applied, upTo(last)) {
				rt.Fatalf("entity %d stands at %d, applied %v", e, version, got.Applied)
			}
		}
	})
}

// Members of one service share nothing but the store. An early event kept by one is applied by whichever
// gets the missing one.
func TestMembersOnOneStore(t *testing.T) {
	const members, entities, last = 4, 5, 40
	db := memstore.New()
	post := newMail(historyKind())
	var running sync.WaitGroup
	shares := make([][]*delivery[history], members)
	for e := range entities {
		for _, v := range rand.Perm(last + 1) {
			for range 2 { // each event twice, mostly at different members
				m := rand.IntN(members)
				shares[m] = append(shares[m], post.say(event.ID(fmt.Sprint("e", e)), event.Version(v)))
			}
		}
	}
	for _, share := range shares {
		rand.Shuffle(len(share), func(i, j int) { share[i], share[j] = share[j], share[i] })
		r := openHistories(t, historyKind(), db)
		running.Go(func() {
			for batch := range slices.Chunk(share, 16) {
				if err := r.handle(context.Background(), batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	r := openHistories(t, historyKind(), db)
	for e := range entities {
		if got, version := mustRead(t, r, event.ID(fmt.Sprint("e", e))); version != last || !slices.Equal(got.Applied, upTo(last)) {
			t.Errorf("entity %d stands at %d, applied %v", e, version, got.Applied)
		}
	}
	if parked := mustListParked(t, r); len(parked) != 0 {
		t.Errorf("%d events are parked, the first: %+v", len(parked), parked[0])
	}
}

// A release adds a field to the state. What an earlier one has stored without it is the same content.
func TestTheSameEventAfterAReleaseWithANewField(t *testing.T) {
	type before struct {
		Text string `json:"text"`
	}
	type after struct {
		Text string `json:"text"`
		Seat string `json:"seat"`
	}
	db := memstore.New()
	earlier := openWhole(t, db, func(s said) before { return before{s.Text} })
	today := openWhole(t, db, func(s said) after { return after{Text: s.Text} })
	if got := verdictOf(t, earlier, sayData("x", 0, "a")); got != Apply {
		t.Errorf("first: %v", got)
	}
	if got := verdictOf(t, today, sayData("x", 0, "a")); got != Stale {
		t.Errorf("the same after a release with a new field: %v, want stale", got)
	}
	if got := verdictOf(t, today, sayData("x", 0, "b")); got != Conflict {
		t.Errorf("other content: %v, want conflict", got)
	}
}

// openWhole opens replicas whose state is made of each event alone.
func openWhole[T any](t *testing.T, db store.Database, state func(said) T) *Replica[T] {
	t.Helper()
	kind := Kind[T]{Name: "history", Subjects: []event.Subject{saidChannel}, Decode: func(_ event.Subject, data []byte) (Change[T], error) {
		var s said
		err := json.Unmarshal(data, &s)
		return Change[T]{ID: event.ID(s.ID), Version: s.Version, Whole: true, Apply: func(T) T { return state(s) }}, err
	}}
	r, err := Open(t.Context(), kind, db, small(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func verdictOf[T any](t *testing.T, r *Replica[T], data []byte) Verdict {
	t.Helper()
	d := &delivery[T]{message: bus.Message{Channel: saidChannel, Sequence: 1, Attempt: 1, Data: data}, settle: func(error) {}}
	d.Change, d.poison = r.kind.Decode(saidChannel, data)
	if err := r.handle(t.Context(), []*delivery[T]{d}); err != nil {
		t.Fatal(err)
	}
	return d.Verdict
}
