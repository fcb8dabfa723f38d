// Package gather holds published events, so that the store forgets many of them with one write.
package gather

import (
	"time"

	"ticketing/pkg/store"
)

// Event names an event that the broker has stored.
type Event struct {
	ID      string
	Version int64
	// More reports that more events of the entity wait to be published.
	More bool
}

// Limits bound how published events are held to be forgotten together. To forget one event, the store writes its
// whole record again, and in a file the record's neighbours on the page too. After a crash the held events are published
// twice, and consumers absorb that by version.
type Limits struct {
	Pause    time.Duration // the time within which events come together
	Entities int           // how many entities to forget do not wait for more
	Versions int           // how many events of one entity are forgotten though more of them wait to be published
	Urgent   int           // how many events of one entity end the pause: at store.MaxOutbox its changes are refused
	Longest  time.Duration // how long an event is held while more of its entity wait to be published
}

// Default returns the limits of a relay.
func Default() Limits {
	return Limits{Pause: 25 * time.Millisecond, Entities: 4096, Versions: 16, Urgent: store.MaxOutbox / 2, Longest: time.Second}
}

// Held holds the published events that the store has not forgotten yet.
type Held struct {
	limits   Limits
	versions map[string][]int64 // by entity
	due      map[string]struct{}
	events   int
	since    time.Time // no event has been held for longer
	urgent   bool      // an entity has too many events to wait
}

// New returns a Held without events.
func New(limits Limits) *Held {
	return &Held{limits: limits, versions: map[string][]int64{}, due: map[string]struct{}{}}
}

// Add holds one more.
func (h *Held) Add(p Event) {
	if h.events == 0 {
		h.since = time.Now()
	}
	versions := append(h.versions[p.ID], p.Version)
	h.versions[p.ID] = versions
	h.events++
	if !p.More || len(versions) >= h.limits.Versions {
		h.due[p.ID] = struct{}{}
	}
	h.urgent = h.urgent || len(versions) >= h.limits.Urgent
}

// Full reports whether there is too much to wait for more.
func (h *Held) Full() bool { return h.urgent || len(h.due) >= h.limits.Entities }

// Take removes and returns what is due, or everything.
func (h *Held) Take(all bool) []store.Sent {
	if all {
		for id := range h.versions {
			h.due[id] = struct{}{}
		}
		h.since = time.Now()
	}
	batch := make([]store.Sent, 0, len(h.due))
	for id := range h.due {
		batch = append(batch, store.Sent{ID: id, Versions: h.versions[id]})
		h.events -= len(h.versions[id])
		delete(h.versions, id)
	}
	clear(h.due)
	h.urgent = false
	return batch
}

// Events counts what is held.
func (h *Held) Events() int { return h.events }

// Since is how long an event has been held at most.
func (h *Held) Since() time.Duration { return time.Since(h.since) }
