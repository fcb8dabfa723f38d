package outbox

import (
	"slices"
	"sync"

	"ticketing/pkg/store"
)

// lanes is what the relay has in memory: per entity, the events to publish, in version order, of which one
// at a time is on its way, and those that are published and not forgotten. The size is bounded; what finds no
// room stays in the store's outbox, from where a sweep brings it.
type lanes struct {
	mu       sync.Mutex
	byEntity map[string]*lane
	waiting  int // events in all lanes, not yet published
	sent     int // published and not yet forgotten
	limit    int // of both together
	failures []*lane

	ready chan *lane    // lanes with an event to publish that is not on its way
	stuck chan struct{} // signals, at least once after the last one, that a lane has failed
	freed chan struct{} // signals, at least once after the last change, that an event was published or forgotten
}

type lane struct {
	id      string
	waiting []waitingEvent // ascending by version
	sent    []int64        // published and not yet forgotten: not to be offered again
	taken   bool           // in ready, on its way, or failed
}

type waitingEvent struct {
	version int64
	event   store.Event
}

func newLanes(limit int) *lanes {
	return &lanes{
		byEntity: map[string]*lane{},
		limit:    limit,
		ready:    make(chan *lane, limit), // a lane in it has an event waiting, so it never overflows
		stuck:    make(chan struct{}, 1),
		freed:    make(chan struct{}, 1),
	}
}

// offer adds an event and reports whether it is in memory now. One that is known already, waiting or
// sent, is not added twice.
func (l *lanes) offer(id string, version int64, ev store.Event) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	entity := l.byEntity[id]
	if entity == nil {
		entity = &lane{id: id}
	}
	at, known := slices.BinarySearchFunc(entity.waiting, version, func(w waitingEvent, v int64) int {
		return int(w.version - v)
	})
	if known || slices.Contains(entity.sent, version) {
		return true
	}
	if l.waiting+l.sent >= l.limit {
		return false
	}
	l.byEntity[id] = entity
	entity.waiting = slices.Insert(entity.waiting, at, waitingEvent{version, ev})
	l.waiting++
	if !entity.taken {
		entity.taken = true
		l.ready <- entity
	}
	return true
}

// next is the event of a ready lane that is published now.
func (l *lanes) next(entity *lane) waitingEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return entity.waiting[0]
}

// published gives the lane back after its event of this version was stored by the broker. It reports
// whether more of its events wait.
func (l *lanes) published(entity *lane, version int64) (more bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entity.waiting = slices.DeleteFunc(entity.waiting, func(w waitingEvent) bool { return w.version == version })
	entity.sent = append(entity.sent, version)
	l.waiting--
	l.sent++
	entity.taken = len(entity.waiting) > 0
	if entity.taken {
		l.ready <- entity
	}
	signal(l.freed)
	return entity.taken
}

// failed keeps a lane whose event was not published until retry.
func (l *lanes) failed(entity *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, entity)
	signal(l.stuck)
}

// retry makes the lanes that failed ready again, behind all others.
func (l *lanes) retry() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, entity := range l.failures {
		l.ready <- entity
	}
	clear(l.failures)
	l.failures = l.failures[:0]
}

// forgotten drops what the store has forgotten too.
func (l *lanes) forgotten(sent []store.Sent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range sent {
		entity := l.byEntity[s.ID]
		if entity == nil {
			continue
		}
		before := len(entity.sent)
		entity.sent = slices.DeleteFunc(entity.sent, func(version int64) bool { return slices.Contains(s.Versions, version) })
		l.sent -= before - len(entity.sent)
		if len(entity.sent) == 0 && len(entity.waiting) == 0 {
			delete(l.byEntity, s.ID)
		}
	}
	signal(l.freed)
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// size is how many events are not yet published.
func (l *lanes) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}
