package outbox_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// silently notes a number without a version.
func silently(number int) func(outbox.Entity[tally]) (tally, error) {
	return func(e outbox.Entity[tally]) (tally, error) {
		return tally{append(e.State.Seen, number)}, outbox.ErrSilent
	}
}

func TestASilentChangeIsStoredWithoutVersionAndEvent(t *testing.T) {
	for name, change := range map[string]func(*outbox.Entities[tally]) error{
		"by a request": func(tallies *outbox.Entities[tally]) error {
			changed, err := tallies.Change(t.Context(), "a", silently(1))
			if err == nil && changed.Version != 0 {
				err = fmt.Errorf("stands at version %d, want 0", changed.Version)
			}
			return err
		},
		"by a reaction": func(tallies *outbox.Entities[tally]) error {
			refused, err := tallies.React(t.Context(), []outbox.Reaction[tally]{{ID: "a", Rule: silently(1)}})
			return errors.Join(err, refused[0])
		},
	} {
		t.Run(name, func(t *testing.T) {
			records := memstore.Collection(t, store.Spec{Name: "tallies"})
			tallies := newTallies(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
			mustReact(t, tallies, note("a", "", 0))
			if err := change(tallies); err != nil {
				t.Fatal(err)
			}
			if got, want := tallyOf(t, records, "a"), `0 {"seen":[0,1]} a v0`; got != want {
				t.Errorf("stored %s, want %s", got, want)
			}
			// the next version follows the last one that had an event
			mustReact(t, tallies, note("a", "", 2))
			if got, want := tallyOf(t, records, "a"), `1 {"seen":[0,1,2]} a v0 a v1`; got != want {
				t.Errorf("stored %s, want %s", got, want)
			}
		})
	}
}

func TestSilentAndOtherReactionsOfOneBatch(t *testing.T) {
	records := memstore.Collection(t, store.Spec{Name: "tallies"})
	tallies := newTallies(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
	mustReact(t, tallies, note("a", "x", 0), outbox.Reaction[tally]{ID: "a", Source: "y", Rule: silently(1)}, note("a", "x", 2))
	if got, want := tallyOf(t, records, "a"), `1 {"seen":[0,1,2]} a v0 a v1`; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
}

func TestAnEntityCannotBeginSilently(t *testing.T) {
	records := memstore.Collection(t, store.Spec{Name: "tallies"})
	tallies := newTallies(records, newRelay(records, &scriptedPublisher{}, outbox.Config{}))
	_, err := tallies.React(t.Context(), []outbox.Reaction[tally]{{ID: "a", Rule: silently(1)}})
	if !errors.Is(err, outbox.ErrSilent) {
		t.Errorf("React = %v, want it to refuse", err)
	}
	if _, err := records.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get = %v, want nothing stored", err)
	}
}

// A kind whose events are facts may have versions without one.
func TestAVersionWithoutAnEvent(t *testing.T) {
	records := memstore.Collection(t, store.Spec{Name: "tallies"})
	even := outbox.Kind[tally]{Announce: func(e outbox.Entity[tally]) (event.Subject, []byte, error) {
		if e.Version%2 == 1 {
			return "", nil, nil
		}
		return tallyEvent(e)
	}}
	tallies := outbox.NewEntities(even, records, newRelay(records, &scriptedPublisher{}, outbox.Config{}), time.Now)
	if _, err := tallies.Create(t.Context(), "a", tally{}); err != nil {
		t.Fatal(err)
	}
	if _, err := tallies.Change(t.Context(), "a", func(outbox.Entity[tally]) (tally, error) { return tally{[]int{1}}, nil }); err != nil {
		t.Fatal(err)
	}
	if got, want := tallyOf(t, records, "a"), `1 {"seen":[1]} a v0`; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
	mustReact(t, tallies, note("a", "", 2), note("a", "", 3), note("a", "", 4))
	record, err := records.Get(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	var events []string
	for version := range record.Version + 1 {
		if ev, ok := record.Outbox[version]; ok {
			events = append(events, string(ev.Data))
		}
	}
	if got, want := fmt.Sprint(record.Version, events), "4 [a v0 a v2 a v4]"; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
}
