package outbox

import (
	"slices"
	"sync"

	"ticketing/pkg/store"
)

// lanes is what the relay has in memory: per entity, the events to publish, in version order. Only one
// publisher has a lane at a time, which is what keeps the order. The size is bounded; what finds no
// room stays in the store's outbox, from where a sweep brings it.
type lanes struct {
	mu       sync.Mutex
	byEntity map[string]*lane
	waiting  int // events in all lanes, not yet published
	limit    int

	ready chan *lane    // lanes with an event to publish and no publisher
	freed chan struct{} // signals, at least once after the last change, that an event left
}

type lane struct {
	id      string
	waiting []waitingEvent // ascending by version
	sent    map[int64]bool // published and not yet forgotten: not to be offered again
	taken   bool           // in ready or with a publisher
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
		entity = &lane{id: id, sent: map[int64]bool{}}
	}
	at, known := slices.BinarySearchFunc(entity.waiting, version, func(w waitingEvent, v int64) int {
		return int(w.version - v)
	})
	if known || entity.sent[version] {
		return true
	}
	if l.waiting >= l.limit {
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

// next is the event that the publisher who has the lane publishes now.
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
	entity.sent[version] = true
	l.waiting--
	l.giveBack(entity)
	select {
	case l.freed <- struct{}{}:
	default:
	}
	return len(entity.waiting) > 0
}

// failed gives the lane back with its event still to be published, behind all others.
func (l *lanes) failed(entity *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveBack(entity)
}

func (l *lanes) giveBack(entity *lane) {
	entity.taken = len(entity.waiting) > 0
	if entity.taken {
		l.ready <- entity
	}
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
		for _, version := range s.Versions {
			delete(entity.sent, version)
		}
		if len(entity.sent) == 0 && len(entity.waiting) == 0 {
			delete(l.byEntity, s.ID)
		}
	}
}

func (l *lanes) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}
