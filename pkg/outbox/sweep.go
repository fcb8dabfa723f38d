package outbox

import (
	"context"
	"maps"
	"slices"
	"time"
)

const sweepPage = 256

// sweepUntilDone looks for waiting events, at once and then regularly, until ctx ends.
func (r *Relay) sweepUntilDone(ctx context.Context) {
	grace := time.Duration(0)
	failing := false
	for {
		err := r.sweep(ctx, grace)
		if ctx.Err() != nil {
			return
		}
		if err != nil && !failing {
			r.log.Warn("outbox cannot be swept", "error", err)
		}
		failing = err != nil
		if !failing {
			grace = r.config.Grace
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.config.SweepEvery):
		}
	}
}

// sweep offers every event that has waited in the store for at least grace. One that is as much ahead of the
// clock was stored before the clock was set back: nobody knows how long it has waited, and its process may
// be gone. sweep waits for room in memory, so that a long backlog goes through page by page.
func (r *Relay) sweep(ctx context.Context, grace time.Duration) error {
	after := ""
	for {
		records, err := r.records.Pending(ctx, after, sweepPage)
		if err != nil {
			return err
		}
		now := r.config.Now()
		for _, record := range records {
			for _, version := range slices.Sorted(maps.Keys(record.Outbox)) {
				ev := record.Outbox[version]
				if now.Sub(ev.At).Abs() < grace {
					continue
				}
				for !r.lanes.offer(record.ID, version, ev) {
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-r.lanes.freed:
					}
				}
			}
		}
		if len(records) < sweepPage {
			return nil
		}
		after = records[len(records)-1].ID
	}
}
