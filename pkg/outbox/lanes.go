package outbox

import (
	"slices"
	"sync"
	"time"

	"ticketing/pkg/outbox/internal/gather"
	"ticketing/pkg/store"
)

// lanes holds the events that the relay has in memory. Each entity has a lane: the events to publish, in version
// order, one of them on its way at a time, and those that are published but not yet forgotten. The number of events
// is bounded. An event that finds no room stays in the store; a sweep or the entity's next change brings it.
type lanes struct {
	mu       sync.Mutex
	byEntity map[string]*lane
	waiting  int // events in all lanes, not yet published
	sent     int // published and not yet forgotten
	limit    int // of both together
	failing  []*lane

	ready  chan *lane        // lanes with an event to publish and none on its way
	behind chan *lane        // such lanes whose event came while another was on its way
	stored chan gather.Event // events that the broker has stored and the store should forget
	stuck  chan struct{}     // signals, at least once after the last one, that a lane has failed
	freed  chan struct{}     // signals, at least once after the last change, that an event was published or forgotten
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
		ready:    make(chan *lane, limit),        // a lane in it has an event waiting, so it never overflows,
		behind:   make(chan *lane, limit),        // and neither does this
		stored:   make(chan gather.Event, limit), // each counts as sent until it is forgotten, so it never overflows
		stuck:    make(chan struct{}, 1),
		freed:    make(chan struct{}, 1),
	}
}

// offer adds an event and reports whether it is in memory now. An event that is there already is not added twice.
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

// versions returns which events of an entity are in memory, published or not.
func (l *lanes) versions(id string) []int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	entity := l.byEntity[id]
	if entity == nil {
		return nil
	}
	versions := slices.Clone(entity.sent)
	for _, w := range entity.waiting {
		versions = append(versions, w.version)
	}
	return versions
}

// next returns the event to publish from a ready lane.
func (l *lanes) next(entity *lane) waitingEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return entity.waiting[0]
}

// published frees the lane after the broker has stored its event of this version, and passes the event on to be
// forgotten. Both happen under the lock: when nothing waits any more, every published event is in stored.
func (l *lanes) published(entity *lane, version int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free(entity, version)
	entity.sent = append(entity.sent, version)
	l.sent++
	l.stored <- gather.Event{ID: entity.id, Version: version, More: entity.taken}
	signal(l.freed)
}

// refused drops an event that the bus will never take, and frees its lane. The event stays in the store.
func (l *lanes) refused(entity *lane, version int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free(entity, version)
	l.dropIfEmpty(entity)
	signal(l.freed)
}

// free ends the attempt at an event. The lane goes on with the next one.
func (l *lanes) free(entity *lane, version int64) {
	entity.waiting = slices.DeleteFunc(entity.waiting, func(w waitingEvent) bool { return w.version == version })
	l.waiting--
	entity.failures = 0
	entity.taken = len(entity.waiting) > 0
	if entity.taken {
		l.behind <- entity
	}
}

func (l *lanes) dropIfEmpty(entity *lane) {
	if len(entity.sent) == 0 && len(entity.waiting) == 0 {
		delete(l.byEntity, entity.id)
	}
}

// failed keeps a lane whose event was not published for a pause, which depends on how often it failed in a row.
func (l *lanes) failed(entity *lane, now time.Time, pause func(failures int) time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	entity.failures++
	entity.retry = now.Add(pause(entity.failures))
	l.failing = append(l.failing, entity)
	signal(l.stuck)
}

// retry makes the lanes whose pause is over ready again, behind all others, and reports whether others still pause.
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

// forgotten drops the events that the store has forgotten.
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
		l.dropIfEmpty(entity)
	}
	signal(l.freed)
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// size returns how many events are not yet published.
func (l *lanes) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}
