package outbox

import (
	"slices"
	"sync"
	"time"

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
	failing  []*lane

	ready  chan *lane     // lanes with an event to publish, none of them on its way
	behind chan *lane     // such lanes, of which more has come while an event was on its way
	stored chan published // what the broker has stored and the store is to forget
	stuck  chan struct{}  // signals, at least once after the last one, that a lane has failed
	freed  chan struct{}  // signals, at least once after the last change, that an event was published or forgotten
}

type lane struct {
	id      string
	waiting []waitingEvent // ascending by version
	sent    []int64        // published and not yet forgotten: not to be offered again
	taken   bool           // in ready or behind, on its way, or failing

	failures int       // attempts at the next event that failed
	retry    time.Time // not before then
}

type waitingEvent struct {
	version int64
	event   store.Event
}

func newLanes(limit int) *lanes {
	return &lanes{
		byEntity: map[string]*lane{},
		limit:    limit,
		ready:    make(chan *lane, limit),     // a lane in it has an event waiting, so it never overflows,
		behind:   make(chan *lane, limit),     // and neither does this
		stored:   make(chan published, limit), // each counts as sent until it is forgotten, so it never overflows
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

// published gives the lane back after its event of this version was stored by the broker, and passes it on to be
// forgotten: under the lock, so that whoever sees that none waits finds all of them there.
func (l *lanes) published(entity *lane, version int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entity.waiting = slices.DeleteFunc(entity.waiting, func(w waitingEvent) bool { return w.version == version })
	entity.sent = append(entity.sent, version)
	l.waiting--
	l.sent++
	entity.failures = 0
	entity.taken = len(entity.waiting) > 0
	if entity.taken {
		l.behind <- entity
	}
	l.stored <- published{entity.id, version, entity.taken}
	signal(l.freed)
}

// failed keeps a lane whose event was not published, for a pause that depends on how often it has failed in a row.
func (l *lanes) failed(entity *lane, now time.Time, pause func(failures int) time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entity.failures++
	entity.retry = now.Add(pause(entity.failures))
	l.failing = append(l.failing, entity)
	signal(l.stuck)
}

// retry makes the lanes whose pause is over ready again, behind all others, and tells whether some are left.
func (l *lanes) retry(now time.Time) (left bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failing = slices.DeleteFunc(l.failing, func(entity *lane) bool {
		if now.Before(entity.retry) {
			return false
		}
		l.ready <- entity
		return true
	})
	return len(l.failing) > 0
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
