package main

import (
	"context"
	"sync"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// watchedBus is a bus that tells when an event was acknowledged. A consumer acks after its write, so that
// is the moment at which what the event asked for is durable and visible, and nobody has to poll for it.
type watchedBus struct {
	bus.Conn
	acked func(m bus.Message)
}

// Subscribe implements bus.Subscriber.
func (w watchedBus) Subscribe(ctx context.Context, s bus.Subscription, h bus.Handler) (bus.Member, error) {
	return w.Conn.Subscribe(ctx, s, func(ctx context.Context, m bus.Message, settle bus.Settle) {
		h(ctx, m, func(err error) {
			settle(err)
			if err == nil {
				w.acked(m)
			}
		})
	})
}

// countdown closes done when as many different events have been counted as there are.
type countdown struct {
	done chan struct{}

	mu   sync.Mutex
	seen map[string][]bool // by channel and sequence
	left int
}

// newCountdown counts to the end of the channels, given the number of events in each. They have sequences
// from 1, as on a new broker.
func newCountdown(lengths map[string]int) *countdown {
	c := &countdown{done: make(chan struct{}), seen: make(map[string][]bool, len(lengths))}
	for channel, length := range lengths {
		c.seen[channel] = make([]bool, length)
		c.left += length
	}
	return c
}

// count notes an event; one that comes again counts once.
func (c *countdown) count(channel string, sequence uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen := &c.seen[channel][sequence-1]
	if *seen {
		return
	}
	*seen = true
	if c.left--; c.left == 0 {
		close(c.done)
	}
}

func (c *countdown) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lengths counts the events of each channel.
func lengths(events []event.Ticket) map[string]int {
	n := map[string]int{}
	for _, e := range events {
		n[string(e.Subject())]++
	}
	return n
}
