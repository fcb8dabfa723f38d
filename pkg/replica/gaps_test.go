package replica

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
)

func TestGaps(t *testing.T) {
	r, c := openAtNoon(t, historyKind())
	post := newMail(historyKind())
	// given an entity that has waited since noon, one since an hour later, and one without a gap
	handle(t, r, post.say("old", 0), post.say("old", 2), post.say("none", 0))
	c.set(time.Hour)
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
	fresh := Gap{Entity: "history/fresh", WaitsFor: 0, Since: c.at, Kept: 1}
	if diff := cmp.Diff([]Gap{old}, gaps(noon.Add(time.Minute))); diff != "" {
		t.Errorf("older than a minute past noon (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Gap{fresh, old}, gaps(c.at.Add(time.Second))); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	// and when the missing one comes, the gap moves on to the next that is missing, and then closes
	handle(t, r, post.say("old", 1))
	if diff := cmp.Diff([]Gap{fresh, {Entity: "history/old", WaitsFor: 3, Since: c.at, Kept: 1}}, gaps(c.at.Add(time.Second))); diff != "" {
		t.Errorf("after 1 has come (-want +got):\n%s", diff)
	}
	handle(t, r, post.say("old", 3), post.say("old", 4))
	if diff := cmp.Diff([]Gap{fresh}, gaps(c.at.Add(time.Second))); diff != "" {
		t.Errorf("after all have come (-want +got):\n%s", diff)
	}
	// and no more are told than are asked for
	handle(t, r, post.say("third", 7))
	if found, err := r.Gaps(t.Context(), c.at.Add(time.Second), 1); len(found) != 1 || err != nil {
		t.Errorf("at most one: %+v, %v", found, err)
	}
	if found, err := r.Gaps(t.Context(), c.at.Add(time.Second), 0); len(found) != 0 || err != nil {
		t.Errorf("none: %+v, %v", found, err)
	}
}

// No gap is left out, however many there are.
func TestManyGaps(t *testing.T) {
	r, c := openAtNoon(t, historyKind())
	post := newMail(historyKind())
	const many = 201
	var early []*delivery[history]
	for i := range many {
		early = append(early, post.say(event.ID(fmt.Sprint("e", i)), 1))
	}
	handle(t, r, early...)
	if gaps, err := r.Gaps(t.Context(), c.at.Add(time.Second), 2*many); len(gaps) != many || err != nil {
		t.Errorf("%d gaps, %v; want %d", len(gaps), err, many)
	}
}

// A record that is full reports that there are more, and if all that waits is parked, since when.
func TestGapsBehindAFullRecord(t *testing.T) {
	r, c := openAtNoon(t, historyKind())
	post := newMail(historyKind())
	handle(t, r, post.sayFrom("full", 5, 5+room)...)
	want := []Gap{{Entity: "history/full", WaitsFor: 0, Since: noon, Kept: room, More: true}}
	gaps, err := r.Gaps(t.Context(), c.at.Add(time.Second), 10)
	if diff := cmp.Diff(want, gaps); diff != "" || err != nil {
		t.Errorf("gaps (-want +got):\n%s%v", diff, err)
	}
	if parked := mustListParked(t, r); len(parked) != 1 || parked[0].Reason != parking.Early || parked[0].Version != event.Version(5+room) {
		t.Errorf("parked: %+v", parked)
	}
	// more are parked than a page, the oldest of them last
	c.set(time.Minute)
	handle(t, r, post.sayFrom("full", 6+room, 9+room)...)
	handle(t, r, post.sayFrom("full", 0, 4)...)
	handle(t, r, post.say("behind", 0))
	handle(t, r, post.sayFrom("behind", 10, 9+room)...)
	c.set(0)
	handle(t, r, post.say("behind", 90))
	c.set(time.Minute)
	handle(t, r, post.say("behind", 50), post.say("behind", 60), post.say("behind", 70))
	handle(t, r, post.sayFrom("behind", 1, 9)...)
	c.set(time.Hour)
	want = []Gap{{Entity: "history/behind", WaitsFor: 10 + room, Since: noon, More: true}}
	gaps, err = r.Gaps(t.Context(), c.at.Add(time.Second), 10)
	if diff := cmp.Diff(want, gaps); diff != "" || err != nil {
		t.Errorf("gaps behind what is parked (-want +got):\n%s%v", diff, err)
	}
}
