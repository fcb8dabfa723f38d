package parking

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func openLot(t testing.TB, db store.Database, name string) (*Lot, *time.Time) {
	t.Helper()
	now := noon
	lot, err := Open(t.Context(), db, name, Config{Now: func() time.Time { return now }, Page: 2, PageBytes: 20})
	if err != nil {
		t.Fatal(err)
	}
	return lot, &now
}

func early(version event.Version, data string) Entry {
	return Entry{Reason: Early, Channel: "test:said", Sequence: uint64(version) + 10, Entity: "history/x", Version: version,
		Error: "no room", Data: []byte(data)}
}

func poison(data string) Entry {
	return Entry{Reason: Poison, Channel: "test:said", Sequence: 7, Version: event.None, Error: "not JSON", Data: []byte(data)}
}

func mustPark(t testing.TB, lot *Lot, entries ...Entry) {
	t.Helper()
	if err := lot.Park(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

func mustList(t testing.TB, lot *Lot) []Entry {
	t.Helper()
	var all []Entry
	for after := ""; ; {
		entries, next, err := lot.List(t.Context(), after, 100)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entries...)
		if next == "" {
			return all
		}
		after = next
	}
}

func TestWhatIsParkedIsSeenWhole(t *testing.T) {
	lot, now := openLot(t, bolttest.Open(t), "lot")
	mustPark(t, lot, poison("{"))
	*now = noon.Add(time.Minute)
	again := poison("{")
	again.Sequence, again.Error = 8, "still not JSON"
	mustPark(t, lot, again)
	want := []Entry{{ID: lot.ID(again), Reason: Poison, Channel: "test:said", Sequence: 7, Version: event.None, Error: "still not JSON",
		Hash: "021fb596db81e6d02bf3d2586ee3981fe519f275c0ac9ca76bbcf2ebb4097d96", Attempts: 2, First: noon, Last: noon.Add(time.Minute), Data: []byte("{")}}
	if diff := cmp.Diff(want, mustList(t, lot)); diff != "" {
		t.Errorf("parked (-want +got):\n%s", diff)
	}
	got, err := lot.Get(t.Context(), want[0].ID)
	if diff := cmp.Diff(want[0], got); diff != "" || err != nil {
		t.Errorf("one (-want +got):\n%s%v", diff, err)
	}
}

// The key is the lot, the entity, the version, the channel and the content; copies differ in sequence alone.
func TestWhatIsOneEvent(t *testing.T) {
	db := bolttest.Open(t)
	lot, _ := openLot(t, db, "lot")
	other, _ := openLot(t, db, "other")
	base := early(3, "a")
	vary := func(change func(*Entry)) Entry {
		e := early(3, "a")
		change(&e)
		return e
	}
	if copied := vary(func(e *Entry) { e.Sequence, e.Reason, e.Error = 99, Conflict, "x" }); lot.ID(copied) != lot.ID(base) {
		t.Error("a copy has another id")
	}
	ids := []string{lot.ID(base), other.ID(base),
		lot.ID(vary(func(e *Entry) { e.Entity = "history/y" })), lot.ID(vary(func(e *Entry) { e.Version = 4 })),
		lot.ID(vary(func(e *Entry) { e.Channel = "test:other" })), lot.ID(vary(func(e *Entry) { e.Data = []byte("b") }))}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 6 {
		t.Errorf("%d ids for 6 events", n)
	}
	// and what is parked in one lot is not in another
	mustPark(t, lot, base)
	if left := mustList(t, other); len(left) != 0 {
		t.Errorf("in the other lot: %+v", left)
	}
}

// Many entries, the same one among them, in pages of two.
func TestParkingManyAtOnce(t *testing.T) {
	lot, _ := openLot(t, bolttest.Open(t), "lot")
	mustPark(t, lot, early(1, "a"), early(1, "a"), early(2, "b"), early(1, "a"), early(3, "c"))
	var got []string
	for _, e := range mustList(t, lot) {
		got = append(got, fmt.Sprint(e.Version, " ", e.Attempts))
	}
	if diff := cmp.Diff([]string{"1 3", "2 1", "3 1"}, got); diff != "" {
		t.Errorf("version and attempts (-want +got):\n%s", diff)
	}
}

func TestIdsSortByVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lot := &Lot{name: "lot"}
		version := rapid.Int64Range(0, int64(event.MaxVersion))
		a, b := event.Version(version.Draw(t, "a")), event.Version(version.Draw(t, "b"))
		if byId, byVersion := strings.Compare(lot.ID(early(a, "x")), lot.ID(early(b, "y"))), int(min(max(a-b, -1), 1)); byVersion != 0 && byId != byVersion {
			t.Fatalf("versions %d and %d compare as %d", a, b, byId)
		}
	})
}

// Early events come by version, a page at a time, whatever else the entity and others have.
func TestEarlyEventsComeByVersion(t *testing.T) {
	lot, _ := openLot(t, bolttest.Open(t), "lot")
	conflict, stranger := early(2, "other"), early(1, "stranger")
	conflict.Reason, stranger.Entity = Conflict, "history/y"
	mustPark(t, lot, early(100, "c"), early(9, "a"), early(10, "b"), conflict, stranger, poison("{"))
	if _, err := lot.Fail(t.Context(), early(1, "failing"), 3); err != nil {
		t.Fatal(err)
	}
	entries, more, err := lot.Early(t.Context(), "history/x")
	if err != nil || !more || len(entries) != 2 || entries[0].Version != 9 || entries[1].Version != 10 {
		t.Errorf("first page: %+v, more %v, %v", entries, more, err)
	}
	var all []event.Version
	err = lot.EachEarly(t.Context(), "history/x", func(e Entry) bool { all = append(all, e.Version); return true })
	if diff := cmp.Diff([]event.Version{9, 10, 100}, all); diff != "" || err != nil {
		t.Errorf("all (-want +got):\n%s%v", diff, err)
	}
	if entries, more, err := lot.Early(t.Context(), "history/y"); err != nil || more || len(entries) != 1 {
		t.Errorf("of the other: %+v, more %v, %v", entries, more, err)
	}
}

func TestAnEventIsParkedAtItsLastAttempt(t *testing.T) {
	lot, now := openLot(t, bolttest.Open(t), "lot")
	failing := early(1, "a")
	for attempt := 1; attempt <= 3; attempt++ {
		*now = noon.Add(time.Duration(attempt) * time.Second)
		parked, err := lot.Fail(t.Context(), failing, 3)
		if want := attempt == 3; err != nil || parked != want {
			t.Errorf("attempt %d: parked %v, %v", attempt, parked, err)
		}
		if seen := len(mustList(t, lot)) == 1; seen != parked {
			t.Errorf("attempt %d: listed %v", attempt, seen)
		}
		if _, err := lot.Get(t.Context(), lot.ID(failing)); errors.Is(err, store.ErrNotFound) == parked {
			t.Errorf("attempt %d: %v", attempt, err)
		}
	}
	got := mustList(t, lot)[0]
	if got.Reason != Failed || got.Attempts != 3 || !got.First.Equal(noon.Add(time.Second)) || !got.Last.Equal(noon.Add(3*time.Second)) {
		t.Errorf("parked %+v", got)
	}
}

// An early event that is next and fails stays parked as early, where it is found again, until it has failed too often.
func TestAParkedEarlyEventThatFails(t *testing.T) {
	lot, _ := openLot(t, bolttest.Open(t), "lot")
	mustPark(t, lot, early(1, "a"))
	for _, step := range []struct {
		parked bool
		reason Reason
		early  int
	}{{false, Early, 1}, {true, Failed, 0}} {
		parked, err := lot.Fail(t.Context(), early(1, "a"), 3)
		entries, _, listErr := lot.Early(t.Context(), "history/x")
		if got := mustList(t, lot); err != nil || listErr != nil || parked != step.parked || len(got) != 1 || got[0].Reason != step.reason || len(entries) != step.early {
			t.Errorf("parked %v, %+v, %d early, %v, %v; want %+v", parked, got, len(entries), err, listErr, step)
		}
	}
}

func TestListIsBoundedByEntriesAndBytes(t *testing.T) {
	lot, _ := openLot(t, bolttest.Open(t), "lot") // 20 bytes a page
	large := strings.Repeat("x", 30)
	mustPark(t, lot, early(1, large), early(2, large), early(3, "a"), early(4, "b"), early(5, "c"))
	var pages [][]event.Version
	for after := ""; ; {
		entries, next, err := lot.List(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		var page []event.Version
		for _, e := range entries {
			page = append(page, e.Version)
		}
		pages = append(pages, page)
		if next == "" {
			break
		}
		after = next
	}
	if diff := cmp.Diff([][]event.Version{{1}, {2}, {3, 4}, {5}}, pages); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	for most, want := range map[int]int{1: 1, 4: 4, 5: 5, 9: 5} {
		if n, err := lot.Count(t.Context(), most); err != nil || n != want {
			t.Errorf("count of at most %d: %d, %v", most, n, err)
		}
	}
}

func TestWhatSettledEventsLeave(t *testing.T) {
	lot, _ := openLot(t, bolttest.Open(t), "lot")
	conflict, bad := early(2, "conflict"), poison("{")
	conflict.Reason = Conflict
	mustPark(t, lot, early(1, "a"), conflict, bad)
	for range 2 {
		if _, err := lot.Fail(t.Context(), early(3, "failed"), 2); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lot.Fail(t.Context(), early(4, "failing"), 2); err != nil {
		t.Fatal(err)
	}
	all := []Entry{early(1, "a"), conflict, bad, early(3, "failed"), early(4, "failing"), early(9, "unknown")}
	ids := make([]string, len(all))
	for i, e := range all {
		ids[i] = lot.ID(e)
	}
	if err := lot.Settle(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	records, err := lot.records.List(t.Context(), store.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, record := range records {
		left = append(left, record.ID)
	}
	want := []string{lot.ID(conflict), lot.ID(bad)}
	slices.Sort(want)
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestDropIsForOneThatIsParked(t *testing.T) {
	lot, _ := openLot(t, bolttest.Open(t), "lot")
	mustPark(t, lot, poison("{"), poison("["))
	if _, err := lot.Fail(t.Context(), early(4, "failing"), 2); err != nil {
		t.Fatal(err)
	}
	id := lot.ID(poison("{"))
	if err := lot.Drop(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for what, id := range map[string]string{"dropped": id, "failing": lot.ID(early(4, "failing")), "unknown": "0123"} {
		if err := lot.Drop(t.Context(), id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("drop of what is %s: %v, want ErrNotFound", what, err)
		}
	}
	if left := mustList(t, lot); len(left) != 1 || string(left[0].Data) != "[" {
		t.Errorf("left %+v", left)
	}
}

// rivalDB lets another instance be first at the next writing and the next deletion.
type rivalDB struct {
	store.Database
	before func()
}

func (db *rivalDB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	c, err := db.Database.Collection(ctx, spec)
	return rivalCollection{c, db}, err
}

func (db *rivalDB) letFirst() {
	if before := db.before; before != nil {
		db.before = nil
		before()
	}
}

type rivalCollection struct {
	store.Collection
	db *rivalDB
}

func (c rivalCollection) PutMany(ctx context.Context, ws []store.Write) error {
	c.db.letFirst()
	return c.Collection.PutMany(ctx, ws)
}

func (c rivalCollection) Delete(ctx context.Context, id string, revision int64) error {
	c.db.letFirst()
	return c.Collection.Delete(ctx, id, revision)
}

func TestInstancesThatParkTheSameEvent(t *testing.T) {
	db := &rivalDB{Database: bolttest.Open(t)}
	slow, _ := openLot(t, db, "lot")
	quick, _ := openLot(t, db.Database, "lot")
	// when another is first at one of two, then both attempts at it count, and one at the other
	db.before = func() { mustPark(t, quick, early(1, "a")) }
	mustPark(t, slow, early(1, "a"), early(2, "b"))
	if got := mustList(t, slow); len(got) != 2 || got[0].Attempts != 2 || got[1].Attempts != 1 {
		t.Errorf("parked %+v", got)
	}
	// and one that changes it while it is removed does not keep it
	db.before = func() { mustPark(t, quick, early(1, "a")) }
	if err := slow.Settle(t.Context(), []string{slow.ID(early(1, "a"))}); err != nil {
		t.Error(err)
	}
	db.before = func() { mustPark(t, quick, early(2, "b")) }
	if err := slow.Drop(t.Context(), slow.ID(early(2, "b"))); err != nil {
		t.Error(err)
	}
	if left := mustList(t, slow); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
}
