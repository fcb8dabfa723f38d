package outbox_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// blindStore answers Get with an error, if it has one, and counts the calls.
type blindStore struct {
	store.Collection
	get  error
	gets atomic.Int64
}

func (s *blindStore) Get(ctx context.Context, id string) (store.Record, error) {
	s.gets.Add(1)
	if s.get != nil {
		return store.Record{}, s.get
	}
	return s.Collection.Get(ctx, id)
}

func inMemory(t testing.TB) store.Collection {
	t.Helper()
	return memstore.Collection(t, store.Spec{Name: "counters"})
}

// asSeven is a counter as it was created in these tests.
func asSeven(counter) counter { return counter{7} }

func seven(id event.ID) outbox.Entity[counter] {
	return outbox.Entity[counter]{ID: id, Version: 0, State: counter{7}}
}

func createSeven(t *testing.T, counters *outbox.Entities[counter], hash string) {
	t.Helper()
	if made, err := counters.CreateOnce(t.Context(), "a", hash, counter{7}, asSeven); err != nil || made != seven("a") {
		t.Fatalf("CreateOnce = %+v, %v", made, err)
	}
}

func wantRecord(t *testing.T, records store.Collection, version int64, state string) {
	t.Helper()
	record, err := records.Get(t.Context(), "a")
	if err != nil || record.Version != version || string(record.State) != state {
		t.Errorf("stored: version %d, %s, %v; want version %d, %s", record.Version, record.State, err, version, state)
	}
}

func TestARepeatGetsTheEntityAsItWasCreated(t *testing.T) {
	records := inMemory(t)
	counters := newCounters(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
	again := func(hash string) (outbox.Entity[counter], error) {
		return counters.CreateOnce(t.Context(), "a", hash, counter{9}, asSeven)
	}
	check := func(when string) {
		t.Helper()
		if got, err := again("hash"); err != nil || got != seven("a") {
			t.Errorf("%s, the repeat = %+v, %v", when, got, err)
		}
		for _, other := range []string{"other", "Hash", "has"} {
			if _, err := again(other); fault.KindOf(err) != fault.Reused {
				t.Errorf("%s, the request %q = %v, want Reused", when, other, err)
			}
		}
		if _, err := again(""); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s, without a hash: %v, want ErrConflict", when, err)
		}
	}
	createSeven(t, counters, "hash")
	check("at once")
	wantRecord(t, records, 0, `{"n":7,"requestHash":"hash"}`)

	if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
		t.Fatal(err)
	}
	check("after a change")
	wantRecord(t, records, 1, `{"n":8,"requestHash":"hash"}`)

	refused, err := counters.React(t.Context(), []outbox.Reaction[counter]{{ID: "a", Rule: add(1)}, {ID: "a", Rule: add(1)}})
	if err != nil || len(refused) > 0 {
		t.Fatalf("React = %v, %v", refused, err)
	}
	check("after reactions")
	wantRecord(t, records, 3, `{"n":10,"requestHash":"hash"}`)

	record, err := records.Get(t.Context(), "a")
	if err != nil || len(record.Outbox) != 4 {
		t.Fatalf("%d events wait, %v; want 4", len(record.Outbox), err)
	}
	for version, ev := range record.Outbox {
		if strings.Contains(string(ev.Data), "hash") {
			t.Errorf("the event of version %d is %s", version, ev.Data)
		}
	}
}

func TestAnEntityWithoutAHashIsNobodysRepeat(t *testing.T) {
	records := inMemory(t)
	counters := newCounters(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
	createSeven(t, counters, "")
	wantRecord(t, records, 0, `{"n":7}`)
	if _, err := counters.CreateOnce(t.Context(), "a", "hash", counter{7}, asSeven); fault.KindOf(err) != fault.Reused {
		t.Errorf("CreateOnce = %v, want Reused", err)
	}
}

// earlier is the state as releases before CreateOnce declared it.
type earlier struct {
	N           int    `json:"n"`
	RequestHash string `json:"requestHash,omitempty"`
}

// While a service is upgraded its instances of both releases write the same records.
func TestEarlierReleasesShareTheStoredForm(t *testing.T) {
	records := inMemory(t)
	relay := newRelay(records, &scriptedPublisher{}, outbox.Config{})
	counters := newCounters(records, relay)
	before := outbox.NewEntities(outbox.Kind[earlier]{}, records, nil, time.Now)
	increment := func(e outbox.Entity[earlier]) (earlier, error) {
		e.State.N++
		return e.State, nil
	}
	if _, err := before.Create(t.Context(), "a", earlier{7, "hash"}); err != nil {
		t.Fatal(err)
	}
	for version := int64(0); version < 4; version += 2 {
		got, err := counters.CreateOnce(t.Context(), "a", "hash", counter{7}, asSeven)
		if err != nil || got != seven("a") {
			t.Errorf("at version %d the repeat = %+v, %v", version, got, err)
		}
		if _, err := counters.CreateOnce(t.Context(), "a", "other", counter{7}, asSeven); fault.KindOf(err) != fault.Reused {
			t.Errorf("at version %d another request = %v, want Reused", version, err)
		}
		if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
			t.Fatal(err)
		}
		now, err := before.Change(t.Context(), "a", increment)
		if want := (earlier{9 + int(version), "hash"}); err != nil || now.State != want {
			t.Fatalf("the earlier release has %+v, %v; want %+v", now.State, err, want)
		}
	}
}

func TestARefusalIsNotBelievedBeforeTheEntityIsLookedFor(t *testing.T) {
	refusal := fault.New(fault.Conflict, "reserved")
	for _, tt := range []struct {
		name    string
		exists  bool
		hash    string
		refusal error
		get     error
		want    func(error) bool
		looks   bool
	}{
		{"the entity explains it", true, "hash", refusal, nil, isNil, true},
		{"the entity is another request's", true, "other", refusal, nil, isKind(fault.Reused), true},
		{"no entity", false, "hash", refusal, nil, is(refusal), true},
		{"no entity, and the key is taken", false, "hash", store.ErrKeyTaken, nil, is(store.ErrKeyTaken), true},
		{"an entity that is there and cannot be seen", true, "hash", store.ErrConflict, store.ErrNotFound, isKind(fault.Unavailable), true},
		{"the store goes away", true, "hash", refusal, store.ErrUnavailable, is(store.ErrUnavailable), true},
		{"nobody knows whether it is stored", true, "hash", store.ErrUnavailable, nil, is(store.ErrUnavailable), false},
		{"not repeatable", true, "", store.ErrConflict, nil, is(store.ErrConflict), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			records := &blindStore{Collection: inMemory(t), get: tt.get}
			counters := outbox.NewEntities(outbox.Kind[counter]{}, records, nil, time.Now)
			if tt.exists {
				createSeven(t, counters, "hash")
			}
			got, err := counters.Repeated(t.Context(), "a", tt.hash, asSeven, tt.refusal)
			if !tt.want(err) || err == nil && got != seven("a") {
				t.Errorf("Repeated = %+v, %v", got, err)
			}
			if looked := records.gets.Load() > 0; looked != tt.looks {
				t.Errorf("it looked: %v, want %v", looked, tt.looks)
			}
		})
	}
}

func isNil(err error) bool { return err == nil }

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func isKind(want fault.Kind) func(error) bool {
	return func(err error) bool { return fault.KindOf(err) == want }
}

func TestCreateOnceAndAUniqueKey(t *testing.T) {
	kind := outbox.Kind[counter]{Key: func(outbox.Entity[counter]) string { return "the one" }}
	counters := outbox.NewEntities(kind, inMemory(t), nil, time.Now)
	createSeven(t, counters, "hash")
	createSeven(t, counters, "hash") // the key is its own
	_, err := counters.CreateOnce(t.Context(), "b", "hash", counter{7}, asSeven)
	if !errors.Is(err, store.ErrKeyTaken) {
		t.Errorf("another entity with the key: %v, want ErrKeyTaken", err)
	}
}

func TestOnlyAnObjectCanBeCreatedOnce(t *testing.T) {
	records := inMemory(t)
	for _, state := range []any{7, "seven}", []int{7}, nil} {
		numbers := outbox.NewEntities(outbox.Kind[any]{}, records, nil, time.Now)
		if _, err := numbers.CreateOnce(t.Context(), "a", "hash", state, func(s any) any { return s }); err == nil {
			t.Errorf("%v was created", state)
		}
		if _, err := records.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%v: %v, want nothing stored", state, err)
		}
	}
}

// Whatever the hash and the state are, the state comes back without the hash, and the hash is known again.
func TestTheHashIsBesideAnyState(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		records, err := memstore.New().Collection(r.Context(), store.Spec{Name: "maps"})
		if err != nil {
			r.Fatal(err)
		}
		entities := outbox.NewEntities(outbox.Kind[map[string]string]{}, records, nil, time.Now)
		hash := rapid.StringN(1, -1, -1).Draw(r, "hash")
		name := rapid.String().Filter(func(s string) bool { return !strings.EqualFold(s, "requestHash") })
		state := rapid.MapOfN(name, rapid.String(), 0, 3).Draw(r, "state")
		same := func(s map[string]string) map[string]string {
			delete(s, "requestHash") // which a map, unlike a struct, reads
			return s
		}
		for range 2 {
			got, err := entities.CreateOnce(r.Context(), "a", hash, state, same)
			if err != nil || !maps.Equal(got.State, state) {
				r.Fatalf("CreateOnce = %q, %v; want %q", got.State, err, state)
			}
		}
		if _, err := entities.CreateOnce(r.Context(), "a", hash+"!", state, same); fault.KindOf(err) != fault.Reused {
			r.Fatalf("another hash = %v, want Reused", err)
		}
	})
}

func TestExists(t *testing.T) {
	records := &blindStore{Collection: inMemory(t)}
	counters := outbox.NewEntities(outbox.Kind[counter]{}, records, nil, time.Now)
	createSeven(t, counters, "")
	for id, want := range map[event.ID]bool{"a": true, "b": false} {
		if got, err := counters.Exists(t.Context(), id); err != nil || got != want {
			t.Errorf("Exists(%s) = %v, %v; want %v", id, got, err, want)
		}
	}
	records.get = store.ErrUnavailable
	if got, err := counters.Exists(t.Context(), "a"); !errors.Is(err, store.ErrUnavailable) || got {
		t.Errorf("while the store is away: %v, %v; want false, ErrUnavailable", got, err)
	}
}
