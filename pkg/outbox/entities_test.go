package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

// counter is the entity of these tests: a number that changes add to.
type counter struct {
	N int `json:"n"`
}

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// counterEvent is what a counter's version says on the bus: "<id> v<version> n<number>".
func counterEvent(c outbox.Entity[counter]) (event.Subject, []byte, error) {
	return "counter:changed", fmt.Appendf(nil, "%s v%d n%d", c.ID, c.Version, c.State.N), nil
}

func newCounters(records store.Collection, relay *outbox.Relay) *outbox.Entities[counter] {
	return outbox.NewEntities(outbox.Kind[counter]{Announce: counterEvent}, records, relay, time.Now)
}

func newRelay(records store.Collection, p *scriptedPublisher, config outbox.Config) *outbox.Relay {
	return outbox.NewRelay(records, p, config, slog.New(slog.DiscardHandler))
}

func add(n int) func(outbox.Entity[counter]) (counter, error) {
	return func(c outbox.Entity[counter]) (counter, error) { return counter{c.State.N + n}, nil }
}

func TestAChangeIsOneWriteOfStateVersionAndEvent(t *testing.T) {
	// given an entity
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	kind := outbox.Kind[counter]{
		Announce: counterEvent,
		Key:      func(c outbox.Entity[counter]) string { return fmt.Sprint("key ", c.State.N) },
		Index:    func(c outbox.Entity[counter]) map[string]string { return nil },
	}
	counters := outbox.NewEntities(kind, records, newRelay(records, &scriptedPublisher{}, outbox.Config{}), func() time.Time { return noon })
	created, err := counters.Create(t.Context(), "a", counter{7})
	if err != nil {
		t.Fatal(err)
	}
	// when it is changed
	changed, err := counters.Change(t.Context(), "a", add(1))
	if err != nil {
		t.Fatal(err)
	}
	// then both versions were returned, and the record has the state and the events of both
	want := []outbox.Entity[counter]{{ID: "a", Version: 0, State: counter{7}}, {ID: "a", Version: 1, State: counter{8}}}
	if diff := cmp.Diff(want, []outbox.Entity[counter]{created, changed}); diff != "" {
		t.Errorf("returned (-want +got):\n%s", diff)
	}
	record, err := records.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	wantRecord := store.Record{
		ID: "a", Revision: 2, Version: 1, Key: "key 8", State: []byte(`{"n":8}`),
		Outbox: map[int64]store.Event{
			0: {Channel: "counter:changed", At: noon, Data: []byte("a v0 n7")},
			1: {Channel: "counter:changed", At: noon, Data: []byte("a v1 n8")},
		},
	}
	if diff := cmp.Diff(wantRecord, record, cmpopts.EquateEmpty(), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("record (-want +got):\n%s", diff)
	}
}

func TestARuleThatRefusesWritesNothing(t *testing.T) {
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	counters := newCounters(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
	if _, err := counters.Create(t.Context(), "a", counter{7}); err != nil {
		t.Fatal(err)
	}
	before, err := records.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("no")
	for name, tt := range map[string]struct{ rule, want error }{
		"an error":  {refusal, refusal},
		"no change": {outbox.ErrNoChange, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := counters.Change(t.Context(), "a", func(outbox.Entity[counter]) (counter, error) { return counter{9}, tt.rule })
			if !errors.Is(err, tt.want) {
				t.Errorf("error is %v, want %v", err, tt.want)
			}
			after, err := records.Get(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("record changed (-before +after):\n%s", diff)
			}
		})
	}
	if _, err := counters.Change(t.Context(), "unknown", add(1)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("changing what does not exist: %v, want ErrNotFound", err)
	}
}

// Two processes share the store but not their locks: only revisions are between them.
func TestNoUpdateIsLostBetweenProcesses(t *testing.T) {
	const writers, each = 16, 5
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	processes := []*outbox.Entities[counter]{
		newCounters(records, newRelay(records, &scriptedPublisher{}, outbox.Config{})),
		newCounters(records, newRelay(records, &scriptedPublisher{}, outbox.Config{})),
	}
	if _, err := processes[0].Create(t.Context(), "a", counter{}); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for w := range writers {
		running.Go(func() {
			for range each {
				if _, err := processes[w%2].Change(t.Context(), "a", add(1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	got, err := processes[0].Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if want := (outbox.Entity[counter]{ID: "a", Version: writers * each, State: counter{writers * each}}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAChangeGivesUpAfterMaxAttempts(t *testing.T) {
	for name, tt := range map[string]struct{ maxAttempts, want int }{
		"default": {0, 50},
		"three":   {3, 3},
	} {
		t.Run(name, func(t *testing.T) {
			// given another process that is always first
			records := bolttest.Collection(t, store.Spec{Name: "counters"})
			rival := outbox.NewEntities(outbox.Kind[counter]{}, records, nil, time.Now)
			counters := outbox.NewEntities(outbox.Kind[counter]{MaxAttempts: tt.maxAttempts}, records, nil, time.Now)
			if _, err := rival.Create(t.Context(), "a", counter{}); err != nil {
				t.Fatal(err)
			}
			attempts := 0
			// when an entity is changed
			_, err := counters.Change(t.Context(), "a", func(c outbox.Entity[counter]) (counter, error) {
				attempts++
				if _, err := rival.Change(t.Context(), "a", add(1)); err != nil {
					t.Error(err)
				}
				return counter{-1}, nil
			})
			// then the change is decided that often, and not made.
			if !errors.Is(err, store.ErrConflict) || attempts != tt.want {
				t.Errorf("%d attempts, error %v; want %d and ErrConflict", attempts, err, tt.want)
			}
			want := outbox.Entity[counter]{ID: "a", Version: event.Version(tt.want), State: counter{tt.want}}
			if got, err := counters.Get(t.Context(), "a"); err != nil || got != want {
				t.Errorf("got %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

func TestChangesAreRefusedWhileTooManyEventsWait(t *testing.T) {
	// given an entity whose events nobody publishes
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	relay := newRelay(records, &scriptedPublisher{}, outbox.Config{})
	counters := newCounters(records, relay)
	if _, err := counters.Create(t.Context(), "a", counter{}); err != nil {
		t.Fatal(err)
	}
	for range store.MaxOutbox - 1 {
		if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
			t.Fatal(err)
		}
	}
	// when one more change is asked for, then it is refused
	if _, err := counters.Change(t.Context(), "a", add(1)); fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("error is %v, want an Unavailable fault", err)
	}
	// and when one event has gone, then it is accepted
	if err := records.Forget(t.Context(), []store.Sent{{ID: "a", Versions: []int64{0}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := counters.Change(t.Context(), "a", add(1)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

func TestAWaitingChangeEndsWithItsContext(t *testing.T) {
	records := bolttest.Collection(t, store.Spec{Name: "counters"})
	counters := newCounters(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
	if _, err := counters.Create(t.Context(), "a", counter{}); err != nil {
		t.Fatal(err)
	}
	// given a change under way
	entered, release := make(chan struct{}), make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		_, err := counters.Change(t.Context(), "a", func(c outbox.Entity[counter]) (counter, error) {
			close(entered)
			<-release
			return counter{c.State.N + 1}, nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-entered
	// when another one is no longer wanted while it waits for its turn
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := counters.Change(ctx, "a", add(1))
	// then it ends, and the one under way is not harmed
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want context.Canceled", err)
	}
	close(release)
	running.Wait()
}
