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
//	            behind        at          ahead         end
//	ids   ─────┼──────┼┼───────┼────┼┼──┼┼┼┼──┼┼┼─┼──────┼─────┼───▸ behind, too
//	                           └ next stretch ┘
//
// So what is written together are neighbours in the store, which share its pages. The end is set when a way
// begins, so each event waits for one way through at most, though new entities have ever greater ids. An entity that
// somebody has taken is left for the next way: its events are taken one after the other, in the order in which
// they were put.
//
// It may be used concurrently.
type queue[T any] struct {
	mu      sync.Mutex
	puts    uint64         // how many there have been, to number them
	at, end event.ID       // the way: ahead and fresh are after at and no further than end, but where it has just begun
	ahead   []*delivery[T] // in order
	fresh   []*delivery[T] // to be merged into ahead
	behind  []*delivery[T] // for the next way
	spare   []*delivery[T] // memory for the next merge
	taken   map[event.ID]struct{}
}

func newQueue[T any]() *queue[T] { return &queue[T]{taken: map[event.ID]struct{}{}} }

func (q *queue[T]) put(d *delivery[T]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.puts++
	d.number = q.puts
	if id := d.change.ID; id > q.at && id <= q.end {
		q.fresh = append(q.fresh, d)
	} else {
		q.behind = append(q.behind, d)
	}
}

// take returns the next stretch, at most bound deliveries in order, whose entities nobody else gets before they are
// released; none where nothing waits but events of entities that are taken.
func (q *queue[T]) take(bound int) []*delivery[T] {
	q.mu.Lock()
	defer q.mu.Unlock()
	stretch := make([]*delivery[T], 0, min(bound, len(q.ahead)+len(q.fresh)+len(q.behind)))
	stretch = q.advance(stretch, bound)
	if len(stretch) < bound && len(q.behind) > 0 {
		q.turn()
		stretch = q.advance(stretch, bound)
	}
	return stretch
}

// turn begins a new way, when nothing is ahead any more.
func (q *queue[T]) turn() {
	q.fresh, q.behind = q.behind, q.fresh
	q.at, q.end = "", slices.MaxFunc(q.fresh, inOrder).change.ID
}

// advance adds what is ahead to a stretch.
func (q *queue[T]) advance(stretch []*delivery[T], bound int) []*delivery[T] {
	q.merge()
	passed := 0
	for passed < len(q.ahead) && len(stretch) < bound {
		of := entityAt(q.ahead, passed)
		passed += len(of)
		q.at = of[0].change.ID
		if _, elsewhere := q.taken[q.at]; !elsewhere {
			q.taken[q.at] = struct{}{}
			part := min(len(of), bound-len(stretch))
			stretch, of = append(stretch, of[:part]...), of[part:]
		}
		q.behind = append(q.behind, of...)
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
		delete(q.taken, d.change.ID)
	}
}
