package outbox_test

import (
	"fmt"
	"testing"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// Entities of a release without the index are found by it afterwards, with their versions and events as they were.
func TestReindex(t *testing.T) {
	spec := store.Spec{Name: "tallies", Indexes: []string{"first"}}
	db := memstore.New()
	records, marks := openCollection(t, db, spec), openCollection(t, db, store.Spec{Name: "marks"})
	relay := newRelay(records, &scriptedPublisher{}, outbox.Config{})
	const n = 450 // more than two pages
	for i := range n {
		mustReact(t, newTallies(records, relay), note(event.ID(fmt.Sprintf("t%03d", i)), "", i%2))
	}
	tallies := outbox.NewEntities(indexedTallies(), records, relay, time.Now)
	for range 2 { // the second finds the mark
		if err := tallies.Reindex(t.Context(), marks, "tallies"); err != nil {
			t.Fatal(err)
		}
	}
	found, err := tallies.List(t.Context(), store.Query{Index: "first", Value: "1", Limit: n})
	if err != nil || len(found) != n/2 {
		t.Errorf("found %d, %v, want %d", len(found), err, n/2)
	}
	if got, want := tallyOf(t, records, "t001"), `0 {"seen":[1]} t001 v0`; got != want {
		t.Errorf("stored %s, want %s", got, want)
	}
}

// What is marked is not read again: that is why a start with many entities costs nothing.
func TestReindexReadsAMarkedCollectionNoMore(t *testing.T) {
	spec := store.Spec{Name: "tallies", Indexes: []string{"first"}}
	db := memstore.New()
	records, marks := openCollection(t, db, spec), openCollection(t, db, store.Spec{Name: "marks"})
	relay := newRelay(records, &scriptedPublisher{}, outbox.Config{})
	tallies := outbox.NewEntities(indexedTallies(), records, relay, time.Now)
	if err := tallies.Reindex(t.Context(), marks, "tallies"); err != nil {
		t.Fatal(err)
	}
	mustReact(t, newTallies(records, relay), note("late", "", 1))
	if err := tallies.Reindex(t.Context(), marks, "tallies"); err != nil {
		t.Fatal(err)
	}
	if found, err := tallies.List(t.Context(), store.Query{Index: "first", Value: "1", Limit: 1}); err != nil || len(found) != 0 {
		t.Errorf("found %d, %v, want none", len(found), err)
	}
}

func openCollection(t *testing.T, db store.Database, spec store.Spec) store.Collection {
	t.Helper()
	records, err := db.Collection(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return records
}

// indexedTallies are indexed by their first number.
func indexedTallies() outbox.Kind[tally] {
	kind := outbox.Kind[tally]{Announce: tallyEvent}
	kind.Index = func(e outbox.Entity[tally]) map[string]string {
		return map[string]string{"first": fmt.Sprint(e.State.Seen[0])}
	}
	return kind
}
