package replica

import (
	"cmp"
	"slices"
	"sync"

	"ticketing/pkg/event"
)

// queue is the events that wait for a lane, in the order of their entities' ids. Whoever takes some of them gets
// the next stretch of that order, from where the last one ended, and at the end it begins again, as an elevator
// goes:
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
type queue[T any] struct {
	mu     sync.Mutex
	puts   uint64         // how many there have been, to number them
	at     event.ID       // where the last stretch ended
	left   int            // how many events this way may still have
	ahead  []*delivery[T] // in order
	fresh  []*delivery[T] // to be merged into ahead
	behind []*delivery[T] // for the next way
	spare  []*delivery[T] // memory for the next merge
	// taken are the entities that somebody has, with what has come for them since.
	taken map[event.ID][]*delivery[T]
}

// longestWay is how many times what waits when a way begins it may have. Twice is what it has while events come
// evenly.
const longestWay = 3

func newQueue[T any]() *queue[T] { return &queue[T]{taken: map[event.ID][]*delivery[T]{}} }

func (q *queue[T]) put(d *delivery[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.puts++
	d.number = q.puts
	if held, taken := q.taken[d.change.ID]; taken {
		q.taken[d.change.ID] = append(held, d)
		return
	}
	q.place(d)
}

func (q *queue[T]) place(d *delivery[T]) {
	if d.change.ID > q.at {
		q.fresh = append(q.fresh, d)
	} else {
		q.behind = append(q.behind, d)
	}
}

// take returns the next stretch, in order, and whether more waits. It has no more than bound deliveries but for those
// of the last entity, which is not divided: what would be left of it had to wait for another way. Nobody else
// gets its entities before they are released.
func (q *queue[T]) take(bound int) (stretch []*delivery[T], more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.left <= 0 {
		q.turn()
	}
	stretch = q.advance(make([]*delivery[T], 0, min(bound, q.waiting())), bound)
	if len(stretch) < bound && len(q.behind) > 0 {
		q.turn()
		stretch = q.advance(stretch, bound)
	}
	q.left -= len(stretch)
	return stretch, q.waiting() > 0
}

func (q *queue[T]) waiting() int { return len(q.ahead) + len(q.fresh) + len(q.behind) }

// turn begins a new way.
func (q *queue[T]) turn() {
	q.fresh = append(q.fresh, q.behind...)
	clear(q.behind)
	q.behind, q.at, q.left = q.behind[:0], "", longestWay*q.waiting()
}

// advance adds what is ahead to a stretch.
func (q *queue[T]) advance(stretch []*delivery[T], bound int) []*delivery[T] {
	q.merge()
	passed := 0
	for passed < len(q.ahead) && len(stretch) < bound {
		of := entityAt(q.ahead, passed)
		passed += len(of)
		stretch = append(stretch, of...)
		q.at = of[0].change.ID
		q.taken[q.at] = nil
	}
	clear(q.ahead[:passed])
	q.ahead = q.ahead[passed:]
	return stretch
}

// entityAt returns the deliveries of one entity that begin at an index.
func entityAt[T any](ordered []*delivery[T], from int) []*delivery[T] {
	to := from + 1
	for to < len(ordered) && ordered[to].change.ID == ordered[from].change.ID {
		to++
	}
	return ordered[from:to]
}

// merge brings what is fresh to its places ahead.
func (q *queue[T]) merge() {
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
func inOrder[T any](a, b *delivery[T]) int {
	if c := cmp.Compare(a.change.ID, b.change.ID); c != 0 {
		return c
	}
	return cmp.Compare(a.number, b.number)
}

// release gives back the entities of a stretch.
func (q *queue[T]) release(stretch []*delivery[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, d := range stretch {
		held := q.taken[d.change.ID]
		delete(q.taken, d.change.ID)
		for _, came := range held {
			q.place(came)
		}
	}
}
