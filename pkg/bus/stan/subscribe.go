package stan

import (
	"context"
	"fmt"
	"math/rand/v2"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanlimits"
)

// Subscribe implements bus.Subscriber within the limits of package stanlimits.
//
// AckWait is rounded up to whole seconds. A plain subscription whose connection was lost resumes at the first event that
// was not settled with nil. If the broker's disk was lost too it resumes with what is published from then on.
//
// A subscription with bus.FromNow asks the broker's monitoring where it begins. If there is no answer within two seconds,
// and the connection is lost before it has seen an event, it goes back to the oldest event: only that is sure to miss
// none.
//
// While a handler blocks longer than AckWait, at most twice MaxInflight messages and 32 MiB are kept for it. The adapter
// drops the rest un-acked, and it comes again.
func (c *Conn) Subscribe(ctx context.Context, spec bus.Subscription, handle bus.Handler) (bus.Member, error) {
	spec, err := stanlimits.Subscription(spec)
	if err != nil {
		return nil, err
	}
	m := newMember(c, spec, handle)
	if err := c.enlist(ctx, m); err != nil {
		m.abandon()
		return nil, fmt.Errorf("subscribe to %s: %w", spec.Channel, err)
	}
	return m, nil
}

// enlist joins m on a session and puts it in the owner's care, trying until ctx ends.
func (c *Conn) enlist(ctx context.Context, m *member) error {
	for failures := 1; ; failures++ {
		s, err := c.await(ctx)
		if err != nil {
			return err
		}
		err = m.join(ctx, s)
		if err == nil && c.adopt(m, s) {
			return nil
		}
		pause(ctx, s.lost, backoff(failures, rand.Float64()))
		if ctx.Err() == nil {
			continue
		}
		if err == nil {
			err = s.cause // joined, and lost before it was adopted
		}
		return fmt.Errorf("%w: %w: %w", bus.ErrUnavailable, err, ctx.Err())
	}
}

// adopt puts m in the owner's care, unless s, on which it has joined, is no longer the session: then
// the owner has already taken stock of the members that it moves to the new one.
func (c *Conn) adopt(m *member, s *session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.session != s {
		return false
	}
	c.members[m] = struct{}{}
	return true
}

// dismiss takes m out of the owner's care.
func (c *Conn) dismiss(m *member) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, m)
}
