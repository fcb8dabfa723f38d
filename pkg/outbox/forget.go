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
	more    bool // further events of the entity wait in its lane
}

// forget removes published events from the store, in one write those that come together within gatherTime. It
// ends when over is closed, after what was published until then.
func (r *Relay) forget(ctx context.Context, over <-chan struct{}) {
	unforgotten := newHeld()
	var due <-chan time.Time // when something is to be forgotten; nil while nothing is held
	for {
		select {
		case p := <-r.lanes.stored:
			unforgotten.add(p)
			if due == nil {
				due = time.After(gatherTime)
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
		r.forgetBatch(ctx, unforgotten.take(time.Since(unforgotten.since) >= maxHold))
		due = nil
		if unforgotten.events > 0 {
			due = time.After(gatherTime)
		}
	}
}

// forgetBatch tries until the store has forgotten, or until the relay stops: then once more, bounded.
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

// Forgetting writes the whole record again, and in a file its neighbours on the page as well. So what is published
// within gatherTime is forgotten together, unless there is much of it; and the events of one entity when no more of
// them wait, when maxVersions have come together, or after maxHold. An entity of which urgentVersions are held waits
// for nothing, for at store.MaxOutbox its changes are refused. After a crash meanwhile they are published twice, which
// consumers absorb by version.
const (
	gatherTime  = 25 * time.Millisecond
	maxGather   = 4096
	maxVersions = 16
	maxHold     = time.Second
	// urgentVersions is how many events of an entity do not wait.
	urgentVersions = store.MaxOutbox / 2
)

// held are the published events that the store has not forgotten yet.
type held struct {
	versions map[string][]int64 // by entity
	due      map[string]struct{}
	events   int
	since    time.Time // no event has been held for longer
	urgent   bool      // an entity has too many events to wait
}

func newHeld() *held {
	return &held{versions: map[string][]int64{}, due: map[string]struct{}{}}
}

func (h *held) add(p published) {
	if h.events == 0 {
		h.since = time.Now()
	}
	versions := append(h.versions[p.id], p.version)
	h.versions[p.id] = versions
	h.events++
	if !p.more || len(versions) >= maxVersions {
		h.due[p.id] = struct{}{}
	}
	h.urgent = h.urgent || len(versions) >= urgentVersions
}

// full tells whether there is too much to wait for more.
func (h *held) full() bool { return h.urgent || len(h.due) >= maxGather }

// gather adds what is there without waiting.
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

// take removes what is due, or everything.
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
