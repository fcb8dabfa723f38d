package expiration

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
)

const (
	// longestSleep is how late a deadline may be seen that came, or became due by a step of the clock, during a sleep.
	longestSleep = 200 * time.Millisecond
	// atOnce is how many deadlines fire with one write.
	atOnce = 512
	// errorPause is how long the clock waits after an error of the store.
	errorPause = time.Second
)

// clock fires deadlines when their time is over, those that passed while nobody looked at once. It keeps none in
// memory: it reads the earliest ones from the index. Several clocks on one store may fire a deadline at the same time;
// the store lets one of them through.
type clock struct {
	deadlines *outbox.Entities[Deadline]
	now       func() time.Time
	log       *slog.Logger
}

// run fires deadlines until ctx ends.
func (c *clock) run(ctx context.Context) error {
	failures := 0
	for {
		sleep, err := c.tick(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if failures++; failures == 1 {
				c.log.Warn("deadlines cannot fire; trying again", "error", err)
			}
			sleep = errorPause
		case failures > 0:
			c.log.Info("deadlines fire again", "failures", failures)
			failures = 0
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(sleep):
		}
	}
}

// tick fires the deadlines that are due, up to atOnce, and returns how long nothing has to be done.
func (c *clock) tick(ctx context.Context) (sleep time.Duration, err error) {
	pending, err := c.deadlines.List(ctx, store.Query{Index: pendingIndex, Value: yes, Limit: atOnce})
	if err != nil {
		return 0, fmt.Errorf("read the earliest deadlines: %w", err)
	}
	now := c.now()
	due := pending
	for i, deadline := range pending {
		if !deadline.State.Due(now) {
			due, sleep = pending[:i], deadline.State.At.Sub(now)
			break
		}
	}
	if len(due) == 0 {
		if len(pending) == 0 {
			sleep = longestSleep
		}
		return min(sleep, longestSleep), nil
	}
	reactions := make([]outbox.Reaction[Deadline], len(due))
	for i, deadline := range due {
		reactions[i] = outbox.Reaction[Deadline]{ID: deadline.ID, Rule: fire}
		c.log.Debug("the time of an order is over", "order", deadline.State.OrderID, "at", deadline.State.At, "now", now)
	}
	if _, err := c.deadlines.React(ctx, reactions); err != nil { // the rule refuses nothing
		return 0, fmt.Errorf("fire %d deadlines: %w", len(due), err)
	}
	return 0, nil
}
