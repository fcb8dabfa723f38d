package replica

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ticketing/pkg/event"
)

// ticketed is a delivery that is told apart by its sequence.
func ticketed(id event.ID, sequence uint64) *delivery[struct{}] {
	d := &delivery[struct{}]{}
	d.change.ID, d.message.Sequence = id, sequence
	return d
}

// names says which deliveries these are: "id:sequence".
func names(batch []*delivery[struct{}]) []string {
	out := []string{}
	for _, d := range batch {
		out = append(out, fmt.Sprintf("%s:%d", d.change.ID, d.message.Sequence))
	}
	return out
}

func TestAQueueGoesThroughTheIdsInTurn(t *testing.T) {
	q := newQueue[struct{}]()
	puts := func(ids ...event.ID) {
		for i, id := range ids {
			q.put(ticketed(id, uint64(i)))
		}
	}
	takes := func(bound int, want ...string) []*delivery[struct{}] {
		t.Helper()
		got := q.take(bound)
		if diff := cmp.Diff(want, names(got)); diff != "" {
			t.Errorf("taken (-want +got):\n%s", diff)
		}
		return got
	}
	// given events of several entities, then the first of them come by id
	puts("e", "a", "c", "a", "g")
	first := takes(3, "a:1", "a:3", "c:2")
	// and when some come before and behind the place, then those ahead are next, and at the end it begins again;
	puts("b", "f", "a")
	second := takes(3, "e:0", "f:1", "g:4")
	third := takes(3, "b:0") // a is taken
	q.release(first)
	takes(3, "a:2")
	q.release(second)
	q.release(third)
	if got := q.take(3); len(got) != 0 {
		t.Errorf("taken from an empty queue: %q", names(got))
	}
}

func TestAQueueSplitsAnEntityWithMoreThanTheBound(t *testing.T) {
	q := newQueue[struct{}]()
	for i := range uint64(5) {
		q.put(ticketed("x", i))
	}
	q.put(ticketed("y", 5))
	// given a stretch with a part of an entity, then somebody else gets what comes after it
	part := q.take(2)
	q.put(ticketed("x", 6))
	if diff := cmp.Diff([]string{"y:5"}, names(q.take(2))); diff != "" {
		t.Errorf("taken by another (-want +got):\n%s", diff)
	}
	// and when it is released, then its other events come in order.
	got := names(part)
	for len(part) > 0 {
		q.release(part)
		part = q.take(2)
		got = append(got, names(part)...)
	}
	if diff := cmp.Diff([]string{"x:0", "x:1", "x:2", "x:3", "x:4", "x:6"}, got); diff != "" {
		t.Errorf("events of the entity (-want +got):\n%s", diff)
	}
}

// Whatever is put, taken and released in whatever order: an entity is never in two stretches at once, its
// events come in the order in which they were put, everything comes, and nothing is passed over for longer than
// one way through.
func TestQueueKeepsOrderAndLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue[struct{}]()
		var out [][]*delivery[struct{}] // stretches that are not released
		putFor, tookFor := map[event.ID][]uint64{}, map[event.ID][]uint64{}
		waiting, sequence := 0, uint64(0)
		held := map[event.ID]bool{}
		take := func(t *rapid.T, bound int) {
			stretch := q.take(bound)
			if len(stretch) > bound {
				t.Fatalf("%d taken, the bound is %d", len(stretch), bound)
			}
			turns := 0
			here := map[event.ID]bool{}
			for i, d := range stretch {
				id := d.change.ID
				if held[id] {
					t.Fatalf("%s is in two stretches", id)
				}
				if i > 0 && id < stretch[i-1].change.ID {
					turns++
				}
				here[id] = true
				tookFor[id] = append(tookFor[id], d.message.Sequence)
			}
			if turns > 1 {
				t.Fatalf("a stretch begins again %d times: %q", turns, names(stretch))
			}
			for id := range here {
				held[id] = true
			}
			waiting -= len(stretch)
			if len(stretch) > 0 {
				out = append(out, stretch)
			}
		}
		release := func(i int) {
			q.release(out[i])
			for _, d := range out[i] {
				delete(held, d.change.ID)
			}
			out = slices.Delete(out, i, i+1)
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for _, id := range rapid.SliceOfN(rapid.SampledFrom([]event.ID{"", "a", "b", "c", "d", "e", "f"}), 1, 5).Draw(t, "ids") {
					sequence++
					q.put(ticketed(id, sequence))
					putFor[id] = append(putFor[id], sequence)
					waiting++
				}
			},
			"take": func(t *rapid.T) { take(t, rapid.IntRange(1, 8).Draw(t, "bound")) },
			"release": func(t *rapid.T) {
				if len(out) == 0 {
					t.Skip("nothing is taken")
				}
				release(rapid.IntRange(0, len(out)-1).Draw(t, "which"))
			},
		})
		for len(out) > 0 {
			release(0)
		}
		for most := waiting; waiting > 0 && most > 0; most-- { // each take has at least one
			take(t, 3)
			for len(out) > 0 {
				release(0)
			}
		}
		if diff := cmp.Diff(putFor, tookFor); diff != "" {
			t.Fatalf("taken, by entity (-put +taken):\n%s", diff)
		}
	})
}

// While new entities keep coming, whose ids are greater, one behind still comes: each way has its end.
func TestNothingWaitsForLongerThanOneWayThrough(t *testing.T) {
	q := newQueue[struct{}]()
	q.put(ticketed("m", 0))
	q.put(ticketed("p", 0))
	q.release(q.take(1))
	q.put(ticketed("b", 1)) // behind
	for i := range uint64(3) {
		q.put(ticketed(event.ID(fmt.Sprintf("z%d", i)), 2+i))
		got := q.take(1)
		q.release(got)
		if slices.Contains(names(got), "b:1") {
			return
		}
	}
	t.Error("an event behind did not come on the next way")
}
