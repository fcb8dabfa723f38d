package outbox

import (
	"context"
	"fmt"
	"time"

	"ticketing/pkg/outbox/internal/gather"
	"ticketing/pkg/store"
)

// forget removes published events from the store, many in one write (package gather). When over is closed it removes
// those that were published until then, and returns.
func (r *Relay) forget(ctx context.Context, over <-chan struct{}) {
	unforgotten := gather.New(r.gathering)
	var due <-chan time.Time // when something is to be forgotten; nil while nothing is held
	for {
		select {
		case p := <-r.lanes.stored:
			unforgotten.Add(p)
			if due == nil {
				due = time.After(r.gathering.Pause)
			}
			if !unforgotten.Full() {
				continue
			}
		case <-due:
		case <-over:
			drainInto(unforgotten, r.lanes.stored)
			r.forgetBatch(ctx, unforgotten.Take(true))
			return
		}
		r.forgetBatch(ctx, unforgotten.Take(unforgotten.Since() >= r.gathering.Longest))
		due = nil
		if unforgotten.Events() > 0 {
			due = time.After(r.gathering.Pause)
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

// drainInto adds what has been published and waits for nothing.
func drainInto(held *gather.Held, stored <-chan gather.Event) {
	for {
		select {
		case p := <-stored:
			held.Add(p)
		default:
			return
		}
	}
}
