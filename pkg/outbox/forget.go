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

// forget removes published events from the store, as many with one write as have come together. It
// ends when sent is closed and emptied.
func (r *Relay) forget(ctx context.Context, sent <-chan published) {
	unforgotten := newHeld()
	var late <-chan time.Time // when the oldest one has been held for maxHold; nil while there is none
	for open := true; open; {
		all := false
		select {
		case p, ok := <-sent:
			if open = ok; !ok {
				all = true
				break
			}
			unforgotten.add(p)
			unforgotten.gather(sent)
		case <-late:
			all = true
		}
		r.forgetBatch(ctx, unforgotten.take(all))
		switch {
		case unforgotten.events == 0:
			late = nil
		case late == nil:
			late = time.After(maxHold)
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

// Forgetting writes the whole record again, so the events of an entity are forgotten together: when no more of
// them wait, when maxVersions have come together (far below store.MaxOutbox, at which changes are refused) or after
// maxHold. After a crash meanwhile they are published twice, which consumers absorb by version.
const (
	maxVersions = 16
	maxHold     = time.Second
	// maxGather bounds one write.
	maxGather = 4096
)

// held are the published events that the store has not forgotten yet.
type held struct {
	versions map[string][]int64 // by entity
	due      map[string]struct{}
	events   int
}

func newHeld() *held {
	return &held{versions: map[string][]int64{}, due: map[string]struct{}{}}
}

func (h *held) add(p published) {
	versions := append(h.versions[p.id], p.version)
	h.versions[p.id] = versions
	h.events++
	if !p.more || len(versions) >= maxVersions {
		h.due[p.id] = struct{}{}
	}
}

// gather adds what is there without waiting.
func (h *held) gather(sent <-chan published) {
	for range maxGather - 1 {
		select {
		case p, ok := <-sent:
			if !ok {
				return
			}
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
	}
	batch := make([]store.Sent, 0, len(h.due))
	for id := range h.due {
		batch = append(batch, store.Sent{ID: id, Versions: h.versions[id]})
		h.events -= len(h.versions[id])
		delete(h.versions, id)
	}
	clear(h.due)
	return batch
}
