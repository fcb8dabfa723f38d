package stan

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"ticketing/pkg/bus"
)

// own keeps a session alive until ctx ends.
func (c *Conn) own(ctx context.Context) {
	defer close(c.done)
	failures := 0
	for ctx.Err() == nil {
		began := time.Now()
		s, err := dial(c.cfg, c.log)
		if err != nil {
			c.down(connectReason(c.cfg, err))
		} else {
			c.serve(ctx, s)
		}
		// A session that held for a while starts the backoff anew; one that did not counts as
		// a failure, so that two sides that keep refusing each other do not spin.
		if time.Since(began) > 2*backoffMost {
			failures = 0
		}
		failures++
		pause(ctx, nil, backoff(failures, rand.Float64()))
	}
}

// serve uses a session until it is lost or ctx ends.
func (c *Conn) serve(ctx context.Context, s *session) {
	members := c.install(s)
	if c.resubscribe(ctx, s, members) {
		c.up(s)
	}
	select {
	case <-s.lost:
		c.down(fmt.Sprintf("connection lost: %v", s.cause))
	case <-ctx.Done():
		c.down("closed")
	}
	if err := s.close(); err != nil {
		c.log.Warn("left NATS Streaming without its answer", "error", err)
	}
}

// install makes s the session of new publishes and members, and returns the members it has to take over.
func (c *Conn) install(s *session) []*member {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = s
	c.broadcast()
	return slices.Collect(maps.Keys(c.members))
}

// resubscribe subscribes the members on s, retrying while s lives. It reports whether all are subscribed.
func (c *Conn) resubscribe(ctx context.Context, s *session, members []*member) bool {
	for _, m := range members {
		for failures := 1; ; failures++ {
			err := m.join(ctx, s)
			if err == nil || errors.Is(err, bus.ErrClosed) {
				break
			}
			if s.isLost() || ctx.Err() != nil {
				return false
			}
			c.wait(fmt.Sprintf("cannot subscribe to %s again: %v", m.spec.Channel, err))
			pause(ctx, s.lost, backoff(failures, rand.Float64()))
		}
	}
	return true
}

// up says that all is well.
func (c *Conn) up(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.isLost() {
		return
	}
	c.health = bus.Health{Connected: true, Since: time.Now(), Reconnects: c.connections}
	c.connections++
	c.broadcast()
	c.log.Info("connected to NATS Streaming", "url", c.cfg.redactedURL(), "cluster", c.cfg.ClusterID,
		"members", len(c.members), "reconnects", c.health.Reconnects)
}

// down says that there is no session, and why.
func (c *Conn) down(reason string) {
	c.mu.Lock()
	c.session = nil
	c.mu.Unlock()
	c.wait(reason)
}

// wait says what is missing. It logs a change of reason, not every attempt.
func (c *Conn) wait(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.health.Reason == reason {
		return
	}
	if c.health.Connected {
		c.health.Since = time.Now()
	}
	c.health.Connected, c.health.Reason = false, reason
	c.broadcast()
	if !c.closing {
		c.log.Warn("waiting for NATS Streaming", "reason", reason)
	}
}
