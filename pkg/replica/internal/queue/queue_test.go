package queue

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ticketing/pkg/event"
)

// ticket is an event that is told apart by its sequence.
type ticket struct {
	id       event.ID
	sequence uint64
}

func (t *ticket) Entity() event.ID { return t.id }

func ticketed(id event.ID, sequence uint64) *ticket { return &ticket{id, sequence} }

// names says which deliveries these are: "id:sequence".
func names(batch []*ticket) []string {
	out := []string{}
	for _, d := range batch {
		out = append(out, fmt.Sprintf("%s:%d", d.id, d.sequence))
	}
	return out
}

func TestAQueueGoesThroughTheIdsInTurn(t *testing.T) {
	q := New[*ticket]()
	puts := func(ids ...event.ID) {
		for i, id := range ids {
			q.Put(ticketed(id, uint64(i)))
		}
	}
	takes := func(bound int, leaves bool, want ...string) []*ticket {
		t.Helper()
		got, more := q.Take(bound)
		if diff := cmp.Diff(want, names(got), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("taken (-want +got):\n%s", diff)
		}
		if more != leaves {
			t.Errorf("after %q more waits: %v, want %v", names(got), more, leaves)
		}
		return got
	}
	// given events of several entities, then the first of them come by id
	puts("e", "a", "c", "a", "g")
	first := takes(3, true, "a:1", "a:3", "c:2")
	// and when some come before and behind the place, then those ahead are next, and at the end it begins again,
	puts("b", "f", "a", "h")
	second := takes(3, true, "e:0", "f:1", "g:4")
	third := takes(3, false, "h:3", "b:0")
	// and what came for an entity that was taken comes when it is released.
	takes(3, false)
	q.Release(first)
	takes(3, false, "a:2")
	q.Release(second)
	q.Release(third)
	takes(3, false)
}

func TestAQueueDividesNoEntity(t *testing.T) {
	q := New[*ticket]()
	for i := range uint64(5) {
		q.Put(ticketed("x", i))
	}
	q.Put(ticketed("y", 5))
	first, _ := q.Take(2)
	if diff := cmp.Diff([]string{"x:0", "x:1", "x:2", "x:3", "x:4"}, names(first)); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
	second, more := q.Take(2)
	if diff := cmp.Diff([]string{"y:5"}, names(second)); diff != "" || more {
		t.Errorf("taken then, more %v (-want +got):\n%s", more, diff)
	}
}

// Whatever is put, taken and released in whatever order: an entity is never in two stretches at once, its
// events come in the order in which they were put, and everything comes.
func TestQueueKeepsOrderAndLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := queueModel{
			queue: New[*ticket](), put: map[event.ID][]uint64{}, took: map[event.ID][]uint64{}, held: map[event.ID]bool{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for _, id := range rapid.SliceOfN(rapid.SampledFrom([]event.ID{"", "a", "b", "c", "d", "e", "f"}), 1, 5).Draw(t, "ids") {
					m.puts(id)
				}
			},
			"take": func(t *rapid.T) { m.take(t, rapid.IntRange(1, 8).Draw(t, "bound")) },
			"release": func(t *rapid.T) {
				if len(m.out) == 0 {
					t.Skip("nothing is taken")
				}
				m.release(rapid.IntRange(0, len(m.out)-1).Draw(t, "which"))
			},
		})
		for m.free()+len(m.out) > 0 { // each round has at least one
			m.take(t, 3)
			for len(m.out) > 0 {
				m.release(0)
			}
		}
		if diff := cmp.Diff(m.put, m.took); diff != "" {
			t.Fatalf("taken, by entity (-put +taken):\n%s", diff)
		}
	})
}

// queueModel is what is known of a queue by what was put into it and taken from it.
type queueModel struct {
	queue     *Queue[*ticket]
	sequence  uint64
	put, took map[event.ID][]uint64
	held      map[event.ID]bool
	out       [][]*ticket // stretches that are not released
}

func (m *queueModel) puts(id event.ID) {
	m.sequence++
	m.queue.Put(ticketed(id, m.sequence))
	m.put[id] = append(m.put[id], m.sequence)
}

// free is how many events wait whose entity nobody has.
func (m *queueModel) free() (n int) {
	for id, put := range m.put {
		if !m.held[id] {
			n += len(put) - len(m.took[id])
		}
	}
	return n
}

func (m *queueModel) take(t *rapid.T, bound int) {
	before := m.free()
	stretch, more := m.queue.Take(bound)
	if len(stretch) == 0 && before > 0 {
		t.Fatalf("nothing taken, though %d events wait", before)
	}
	turns := 0
	here := map[event.ID]bool{}
	for i, d := range stretch {
		id := d.id
		if m.held[id] {
			t.Fatalf("%s is in two stretches", id)
		}
		if i >= bound && id != stretch[i-1].id {
			t.Fatalf("%q goes on with another entity after %d", names(stretch), bound)
		}
		if i > 0 && id < stretch[i-1].id {
			turns++
		}
		here[id] = true
		m.took[id] = append(m.took[id], d.sequence)
	}
	if turns > 1 {
		t.Fatalf("a stretch begins again %d times: %q", turns, names(stretch))
	}
	for id := range here {
		m.held[id] = true
	}
	if left := m.free(); more != (left > 0) {
		t.Fatalf("more waits: %v, but %d events do", more, left)
	}
	if len(stretch) > 0 {
		m.out = append(m.out, stretch)
	}
}

func (m *queueModel) release(i int) {
	m.queue.Release(m.out[i])
	for _, d := range m.out[i] {
		delete(m.held, d.id)
	}
	m.out = slices.Delete(m.out, i, i+1)
}

// Given as many events in flight as a member may hold, each settled one followed by another: in the order of arrival
// each would wait for as many others. Here none waits for many times as many, whatever they are about.
func TestNothingInAQueueWaitsForLong(t *testing.T) {
	const inFlight, bound, rounds = 2000, 100, 40
	for _, tt := range []struct {
		name string
		id   func(random *rand.Rand, n int) event.ID
		most float64 // times as many
	}{
		{"all alike", func(random *rand.Rand, _ int) event.ID { return anyID(random) }, 2.5},
		{"half of one entity", func(random *rand.Rand, n int) event.ID { return pick(n%2 == 0, "05000", anyID(random)) }, 2.5},
		{"a tenth of new ones", func(random *rand.Rand, n int) event.ID { return pick(n%10 == 0, newID(n), anyID(random)) }, 2.5},
		{"nearly all new", func(random *rand.Rand, n int) event.ID { return pick(n%50 != 0, newID(n), anyID(random)) }, longestWay + 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			q := New[*ticket]()
			settled, longest := 0, 0
			for n := range inFlight {
				q.Put(ticketed(tt.id(random, n), 0))
			}
			for n := inFlight; settled < rounds*inFlight; {
				stretch, _ := q.Take(bound)
				settled += len(stretch)
				for _, d := range stretch { // the sequence says how many were settled when it was put
					longest = max(longest, settled-int(d.sequence))
				}
				q.Release(stretch)
				for range stretch {
					q.Put(ticketed(tt.id(random, n), uint64(settled)))
					n++
				}
			}
			for q.waiting() > 0 { // what was never taken has waited for all of them
				stretch, _ := q.Take(bound)
				for _, d := range stretch {
					longest = max(longest, settled-int(d.sequence))
				}
				q.Release(stretch)
			}
			if times := float64(longest) / inFlight; times > tt.most {
				t.Errorf("an event waited for %.2f times as many as are in flight, want at most %.2f", times, tt.most)
			}
		})
	}
}

func anyID(random *rand.Rand) event.ID { return event.ID(fmt.Sprintf("%05d", random.IntN(10_000))) }
func newID(n int) event.ID             { return event.ID(fmt.Sprintf("n%08d", n)) }

func pick(first bool, a, b event.ID) event.ID {
	if first {
		return a
	}
	return b
}
