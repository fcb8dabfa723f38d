package outbox

import (
	"context"
	"maps"
	"slices"
	"time"

	"ticketing/pkg/store"
)

const sweepPage = 256

// sweepUntilDone looks for waiting events, at once and then regularly, until ctx ends.
func (r *Relay) sweepUntilDone(ctx context.Context) {
	failing := false
	for {
		err := r.sweep(ctx, r.sweepGrace())
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			r.log.Warn("outbox cannot be swept", "error", err)
		}
		failing = err != nil
		if !failing {
			r.mu.Lock()
			r.swept = true
			r.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.config.SweepEvery):
		}
	}
}

// sweep offers the events that have waited in the store for at least grace. It waits for room in memory, so that a
// long backlog goes through page by page.
func (r *Relay) sweep(ctx context.Context, grace time.Duration) error {
	after := ""
	for {
		records, err := r.records.Pending(ctx, after, sweepPage)
		if err != nil {
			return err
		}
		now := r.config.Now() // of the read: an event that has grown old since may be published by now
		for _, record := range records {
			if err := r.sweepRecord(ctx, record, now, grace); err != nil {
				return err
			}
		}
		if len(records) < sweepPage {
			return nil
		}
		after = records[len(records)-1].ID
	}
}

// sweepRecord offers the events of an entity up to the first young one, so that none overtakes it.
func (r *Relay) sweepRecord(ctx context.Context, record store.Record, now time.Time, grace time.Duration) error {
	for _, version := range slices.Sorted(maps.Keys(record.Outbox)) {
		ev := record.Outbox[version]
		if young(ev, now, grace) {
			return nil
		}
		for !r.lanes.offer(record.ID, version, ev) {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-r.lanes.freed:
			}
		}
	}
	return nil
}
