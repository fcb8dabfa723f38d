package outbox

import (
	"context"
	"fmt"
	"time"

	"ticketing/pkg/store"
)

// published names an event that the broker has stored.
type published struct {
	id      string
	version int64
	more    bool // more events of the entity wait to be published
}

// forget removes published events from the store, many in one write (see gathering). When over is closed it removes
// those that were published until then, and returns.
func (r *Relay) forget(ctx context.Context, over <-chan struct{}) {
	unforgotten := newHeld(r.gathering)
	var due <-chan time.Time // when something is to be forgotten; nil while nothing is held
	for {
		select {
		case p := <-r.lanes.stored:
			unforgotten.add(p)
			if due == nil {
				due = time.After(r.gathering.pause)
			}
			if !unforgotten.full() {
				continue
			}
		case <-due:
		case <-over:
			unforgotten.gather(r.lanes.stored)
			r.forgetBatch(ctx, unforgotten.take(true))
			return
		}
		r.forgetBatch(ctx, unforgotten.take(time.Since(unforgotten.since) >= r.gathering.longest))
		due = nil
		if unforgotten.events > 0 {
			due = time.After(r.gathering.pause)
		}
	}
}

// forgetBatch tries until the store has forgotten the batch. Once the relay has stopped it tries only one last time.
func (r *Relay) forgetBatch(ctx context.Context, batch []store.Sent) {
	if len(batch) == 0 {
		return
	}
	if err := r.tryForget(ctx, batch); err != nil {
		// The events are on the bus and still in the outbox: a later sweep publishes them once more.
		r.log.Warn("published events not forgotten", "entities", len(batch), "error", err)
	}
	r.lanes.forgotten(batch)
}

func (r *Relay) tryForget(ctx context.Context, batch []store.Sent) error {
	pause := 50 * time.Millisecond
	for {
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		err := r.records.Forget(attempt, batch)
		cancel()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("forget: %w", err)
		case <-time.After(pause):
			pause = min(2*pause, r.config.MaxBackoff)
		}
	}
}

// gathering bounds how published events are held to be forgotten together. To forget one event, the store writes its
// whole record again, and in a file the record's neighbours on the page too. After a crash the held events are published
// twice, and consumers absorb that by version.
type gathering struct {
	pause    time.Duration // the time within which events come together
	entities int           // how many entities to forget do not wait for more
	versions int           // how many events of one entity are forgotten though more of them wait to be published
	urgent   int           // how many events of one entity end the pause: at store.MaxOutbox its changes are refused
	longest  time.Duration // how long an event is held while more of its entity wait to be published
}

func defaultGathering() gathering {
	return gathering{pause: 25 * time.Millisecond, entities: 4096, versions: 16, urgent: store.MaxOutbox / 2, longest: time.Second}
}

// held holds the published events that the store has not forgotten yet.
type held struct {
	limits   gathering
	versions map[string][]int64 // by entity
	due      map[string]struct{}
	events   int
	since    time.Time // no event has been held for longer
	urgent   bool      // an entity has too many events to wait
}

func newHeld(limits gathering) *held {
	return &held{limits: limits, versions: map[string][]int64{}, due: map[string]struct{}{}}
}

func (h *held) add(p published) {
	if h.events == 0 {
		h.since = time.Now()
	}
	versions := append(h.versions[p.id], p.version)
	h.versions[p.id] = versions
	h.events++
	if !p.more || len(versions) >= h.limits.versions {
		h.due[p.id] = struct{}{}
	}
	h.urgent = h.urgent || len(versions) >= h.limits.urgent
}

// full reports whether there is too much to wait for more.
func (h *held) full() bool { return h.urgent || len(h.due) >= h.limits.entities }

// gather adds what there is and waits for nothing.
func (h *held) gather(sent <-chan published) {
	for {
		select {
		case p := <-sent:
			h.add(p)
		default:
			return
		}
	}
}

// take removes and returns what is due, or everything.
func (h *held) take(all bool) []store.Sent {
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
