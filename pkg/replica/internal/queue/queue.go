// Package queue keeps the events that wait for a lane in the order of their entities' ids, so that what is written
// together are neighbours in the store.
package queue

import (
	"cmp"
	"slices"
	"sync"

	"ticketing/pkg/event"
)

// Event is what waits.
type Event interface {
	// Entity is the id of the entity that the event is about. It does not change.
	Entity() event.ID
}

// Queue is the events that wait for a lane, in the order of their entities' ids. Whoever takes some of them gets the
// next stretch of that order, from where the last one ended, and at the end it begins again, as an elevator goes:
//
//	          behind        at             ahead
//	ids   ─────┼──────┼┼─────┼────┼┼──┼┼┼┼──┼┼┼─┼──┼┼───▸
//	                         └ next stretch ┘
//
// So what is written together are neighbours in the store, which share its pages. As many wait for a way of their
// own as come ahead of it, so a way takes twice as many events as wait, and the one that waits longest waits twice
// as long as it would in the order of arrival. Should more come ahead, as new entities have ever greater ids, the
// way ends before them.
//
// An entity that somebody has taken is kept apart until it is released: its events are taken one after the
// other, in the order in which they were put.
//
// It may be used concurrently.
type Queue[E Event] struct {
	mu     sync.Mutex
	puts   uint64      // how many there have been, to number them
	at     event.ID    // where the last stretch ended
	left   int         // how many events this way may still have
	ahead  []placed[E] // in order
	fresh  []placed[E] // to be merged into ahead
	behind []placed[E] // for the next way
	spare  []placed[E] // memory for the next merge
	// taken are the entities that somebody has, with what has come for them since.
	taken map[event.ID][]placed[E]
}

// placed is an event with its number among all that were put.
type placed[E Event] struct {
	event  E
	entity event.ID
	number uint64
}

// longestWay is how many times what waits when a way begins it may have. Twice is what it has while events come
// evenly.
const longestWay = 3

// New makes an empty queue.
func New[E Event]() *Queue[E] { return &Queue[E]{taken: map[event.ID][]placed[E]{}} }

// Put adds an event.
func (q *Queue[E]) Put(e E) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.puts++
	p := placed[E]{e, e.Entity(), q.puts}
	if held, taken := q.taken[p.entity]; taken {
		q.taken[p.entity] = append(held, p)
		return
	}
	q.place(p)
}

func (q *Queue[E]) place(p placed[E]) {
	if p.entity > q.at {
		q.fresh = append(q.fresh, p)
	} else {
		q.behind = append(q.behind, p)
	}
}

// Take returns the next stretch, in order, and whether more waits. It has no more than bound events but for those of
// the last entity, which is not divided: what would be left of it had to wait for another way. Nobody else gets its
// entities before they are released.
func (q *Queue[E]) Take(bound int) (stretch []E, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.left <= 0 {
		q.turn()
	}
	stretch = q.advance(make([]E, 0, min(bound, q.waiting())), bound)
	if len(stretch) < bound && len(q.behind) > 0 {
		q.turn()
		stretch = q.advance(stretch, bound)
	}
	q.left -= len(stretch)
	return stretch, q.waiting() > 0
}

func (q *Queue[E]) waiting() int { return len(q.ahead) + len(q.fresh) + len(q.behind) }

// turn begins a new way.
func (q *Queue[E]) turn() {
	q.fresh = append(q.fresh, q.behind...)
	clear(q.behind)
	q.behind, q.at, q.left = q.behind[:0], "", longestWay*q.waiting()
}

// advance adds what is ahead to a stretch.
func (q *Queue[E]) advance(stretch []E, bound int) []E {
	q.merge()
	passed := 0
	for passed < len(q.ahead) && len(stretch) < bound {
		q.at = q.ahead[passed].entity
		for ; passed < len(q.ahead) && q.ahead[passed].entity == q.at; passed++ {
			stretch = append(stretch, q.ahead[passed].event)
		}
		q.taken[q.at] = nil
	}
	clear(q.ahead[:passed])
	q.ahead = q.ahead[passed:]
	return stretch
}

// merge brings what is fresh to its places ahead.
func (q *Queue[E]) merge() {
	if len(q.fresh) == 0 {
		return
	}
	slices.SortFunc(q.fresh, inOrder)
	merged, ahead, fresh := q.spare[:0], q.ahead, q.fresh
	for len(ahead) > 0 && len(fresh) > 0 {
		if inOrder(ahead[0], fresh[0]) < 0 {
			merged, ahead = append(merged, ahead[0]), ahead[1:]
		} else {
			merged, fresh = append(merged, fresh[0]), fresh[1:]
		}
	}
	merged = append(append(merged, ahead...), fresh...)
	clear(q.ahead)
	clear(q.fresh)
	q.spare, q.ahead, q.fresh = q.ahead, merged, q.fresh[:0]
}

// inOrder compares by entity, and those of one entity by when they were put.
func inOrder[E Event](a, b placed[E]) int {
	return cmp.Or(cmp.Compare(a.entity, b.entity), cmp.Compare(a.number, b.number))
}

// Release gives back the entities of a stretch.
func (q *Queue[E]) Release(stretch []E) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range stretch {
		held := q.taken[e.Entity()]
		delete(q.taken, e.Entity())
		for _, came := range held {
			q.place(came)
		}
	}
}
