package outbox

import (
	"maps"
	"slices"
	"time"

	"ticketing/pkg/store"
)

// inMemory returns which events of an entity the relay has. Whoever offers asks before reading the record: an event
// that is in memory then may be published and forgotten by the time of the offer.
func (r *Relay) inMemory(id string) []int64 { return r.lanes.versions(id) }

// offer takes the event of a version that was just stored, and first the older events of its entity that are not in
// memory. As with offerOlder, later ones must stay out of memory if it reports false.
func (r *Relay) offer(id string, version int64, ev store.Event, older map[int64]store.Event) bool {
	if !r.offerOlder(id, older) {
		return false
	}
	if !r.lanes.offer(id, version, ev) {
		r.miss()
		return false
	}
	return true
}

// offerOlder takes the older events of an entity that are not in memory. It leaves the young ones to the instances
// that wrote them. Once an event finds no room it reports false, and later ones must stay out of memory too.
func (r *Relay) offerOlder(id string, older map[int64]store.Event) bool {
	now, grace := r.config.Now(), r.changeGrace()
	for _, v := range slices.Sorted(maps.Keys(older)) {
		if young(older[v], now, grace) {
			continue
		}
		if !r.lanes.offer(id, v, older[v]) {
			r.miss()
			return false
		}
	}
	return true
}

// miss notes that an event written here is not in memory, or that nobody knows whether it was stored.
func (r *Relay) miss() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.missed = r.config.Now()
}

// changeGrace is the grace of a change. It is 0 while a younger event may be one that no relay has: one that a crash
// left, or one that was missed here.
func (r *Relay) changeGrace() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.swept || (!r.missed.IsZero() && r.config.Now().Sub(r.missed) <= r.config.Grace) {
		return 0
	}
	return r.config.Grace
}

// sweepGrace is the grace of a sweep. It is 0 until one has passed, to take what a crash left.
func (r *Relay) sweepGrace() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.swept {
		return 0
	}
	return r.config.Grace
}

// young reports whether an event belongs to its writer still. One that is far ahead of the clock does not: it was
// stored before the clock was set back, nobody knows how long it has waited, and its writer may be gone.
func young(ev store.Event, now time.Time, grace time.Duration) bool {
	return now.Sub(ev.At).Abs() < grace
}
