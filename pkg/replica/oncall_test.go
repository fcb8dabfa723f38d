package replica

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

func TestRetry(t *testing.T) {
	t.Run("of an event whose reason is gone applies it and what is behind it", func(t *testing.T) {
		// given version 1 parked after too many attempts, and 2 kept behind it
		react := &reactions{fail: map[event.Version]error{1: errors.New("no such seat")}}
		r := openHistories(t, react.kind(), bolttest.Open(t))
		post := newMail(react.kind())
		handle(t, r, post.say("x", 0), post.say("x", 2))
		for range 3 {
			handle(t, r, post.redeliver(7, 1, sayData("x", 1, "text 1")))
		}
		entry := mustListParked(t, r)[0]
		// when it is retried too early, then it stays parked, with one more attempt
		if verdict, _, err := r.Retry(t.Context(), entry.ID); verdict != Failed || err != nil {
			t.Errorf("verdict %v, %v; want failed", verdict, err)
		}
		if again := mustListParked(t, r); len(again) != 1 || again[0].Attempts != entry.Attempts+1 {
			t.Errorf("parked: %+v", again)
		}
		// and when the reason is gone, then it is applied, and the one behind it
		react.fail = nil
		if verdict, _, err := r.Retry(t.Context(), entry.ID); verdict != Apply || err != nil {
			t.Errorf("verdict %v, %v; want apply", verdict, err)
		}
		if got, version := mustRead(t, r, "x"); version != 2 || !slices.Equal(got.Applied, upTo(2)) {
			t.Errorf("stands at %d, applied %v", version, got.Applied)
		}
		if left := mustListParked(t, r); len(left) != 0 {
			t.Errorf("still parked: %+v", left)
		}
	})
	t.Run("of an event that has come again meanwhile is stale and ends it", func(t *testing.T) {
		react := &reactions{fail: map[event.Version]error{0: errors.New("no such seat")}}
		r := openHistories(t, react.kind(), bolttest.Open(t))
		post := newMail(react.kind())
		for range 3 {
			handle(t, r, post.redeliver(1, 1, sayData("x", 0, "text 0")))
		}
		entry := mustListParked(t, r)[0]
		react.fail = nil
		handle(t, r, post.say("x", 0)) // a second copy from the bus
		if verdict, _, err := r.Retry(t.Context(), entry.ID); verdict != Stale || err != nil {
			t.Errorf("verdict %v, %v; want stale", verdict, err)
		}
		if left := mustListParked(t, r); len(left) != 0 {
			t.Errorf("still parked: %+v", left)
		}
	})
	t.Run("of poison stays poison", func(t *testing.T) {
		r := openHistories(t, historyKind(), bolttest.Open(t))
		handle(t, r, newMail(historyKind()).deliver([]byte("not JSON")))
		entry := mustListParked(t, r)[0]
		if verdict, _, err := r.Retry(t.Context(), entry.ID); verdict != Poison || err != nil {
			t.Errorf("verdict %v, %v; want poison", verdict, err)
		}
		if left := mustListParked(t, r); len(left) != 1 || left[0].Attempts != 2 {
			t.Errorf("parked: %+v", left)
		}
	})
	t.Run("of what is not parked is not found", func(t *testing.T) {
		r := openHistories(t, historyKind(), bolttest.Open(t))
		if _, _, err := r.Retry(t.Context(), "0123"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("error is %v, want ErrNotFound", err)
		}
	})
}

func TestDrop(t *testing.T) {
	r := openHistories(t, historyKind(), bolttest.Open(t))
	post := newMail(historyKind())
	handle(t, r, post.deliver([]byte("one")), post.deliver([]byte("two")))
	entries := mustListParked(t, r)
	if err := r.Parking().Drop(t.Context(), entries[0].ID); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entries[1:], mustListParked(t, r)); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if err := r.Parking().Drop(t.Context(), entries[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("dropped again: %v, want ErrNotFound", err)
	}
}

func TestGaps(t *testing.T) {
	now := noon
	r := openHistories(t, historyKind(), bolttest.Open(t))
	r.config.Now = func() time.Time { return now }
	post := newMail(historyKind())
	// given an entity that has waited since noon, one since an hour later, and one without a gap
	handle(t, r, post.say("old", 0), post.say("old", 2), post.say("none", 0))
	now = noon.Add(time.Hour)
	handle(t, r, post.say("old", 5), post.say("fresh", 3))
	gaps := func(before time.Time) []Gap {
		t.Helper()
		found, err := r.Gaps(t.Context(), before, 10)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	// then they are told by age
	old := Gap{Entity: "history/old", WaitsFor: 1, Since: noon, Kept: 2}
	fresh := Gap{Entity: "history/fresh", WaitsFor: 0, Since: now, Kept: 1}
	if diff := cmp.Diff([]Gap{old}, gaps(noon.Add(time.Minute))); diff != "" {
		t.Errorf("older than a minute past noon (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Gap{fresh, old}, gaps(now.Add(time.Second))); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	// and when the missing one comes, the gap moves on to the next that is missing, and then closes
	handle(t, r, post.say("old", 1))
	if diff := cmp.Diff([]Gap{{Entity: "history/old", WaitsFor: 3, Since: now, Kept: 1}}, gaps(now.Add(time.Second))[1:]); diff != "" {
		t.Errorf("after 1 has come (-want +got):\n%s", diff)
	}
	handle(t, r, post.say("old", 3), post.say("old", 4))
	if found := gaps(now.Add(time.Second)); len(found) != 1 || found[0].Entity != "history/fresh" {
		t.Errorf("after all have come: %+v", found)
	}
	// and one whose record is full says that there are more
	var flood []*delivery[history]
	for v := range room + 1 {
		flood = append(flood, post.say("full", event.Version(v+5)))
	}
	handle(t, r, flood...)
	for _, gap := range gaps(now.Add(time.Second)) {
		if gap.Entity == "history/full" && (!gap.More || gap.Kept != room || gap.WaitsFor != 0) {
			t.Errorf("of the full one: %+v", gap)
		}
	}
	if parked := mustListParked(t, r); len(parked) != 1 || parked[0].Version != event.Version(room+5) {
		t.Errorf("parked: %s", fmt.Sprint(parked))
	}
}
