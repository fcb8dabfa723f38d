package membus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanlimits"
)

// Conn is a connection as bus/stan makes it, with the same limits of names and options.
type Conn struct {
	bus *Bus
	id  string

	// guarded by bus.mu
	link        link
	stalled     []parcel // what waits for the stall to end
	giveUp      func()   // stops the timer of the stall; nil: none is running
	members     []*member
	seats       []*seat
	closing     bool
	health      bus.Health
	connections int
	changed     chan struct{} // closed, and replaced, when the connection comes, goes or is closed
}

var _ bus.Conn = (*Conn)(nil)

// Publish implements bus.Publisher. It waits while the connection stalls.
func (c *Conn) Publish(ctx context.Context, channel string, data []byte) error {
	answer := make(chan error, 1)
	c.Send(ctx, channel, data, func(err error) { answer <- err })
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return fmt.Errorf("publish to %s: %w: %w", channel, bus.ErrUnavailable, ctx.Err())
	}
}

// Send implements bus.Sender. Unless the connection stalls, answered is called before Send returns. What is
// sent in a stall is stored when the stall ends; if the connection is lost, it is not.
func (c *Conn) Send(ctx context.Context, channel string, data []byte, answered func(error)) {
	c.bus.mu.Lock()
	defer c.bus.unlock()
	answer := func(err error) {
		if err != nil {
			err = fmt.Errorf("publish to %s: %w", channel, err)
		}
		c.bus.answers = append(c.bus.answers, func() { answered(err) })
	}
	err := stanlimits.CheckChannel(channel)
	switch {
	case err != nil:
		answer(err)
	case c.closing:
		answer(bus.ErrClosed)
	case ctx.Err() != nil:
		answer(fmt.Errorf("%w: %w", bus.ErrUnavailable, ctx.Err()))
	default:
		data = bytes.Clone(data)
		c.carry(parcel{
			arrive: func() { c.bus.channel(channel).store(data); answer(nil) },
			lost:   func() { answer(c.health.Err()) },
		})
	}
}

// Subscribe implements bus.Subscriber. It rounds AckWait up to whole seconds, as bus/stan does. After a lost connection a
// plain subscription resumes like a group, with the un-acked events first.
func (c *Conn) Subscribe(ctx context.Context, spec bus.Subscription, handle bus.Handler) (bus.Member, error) {
	spec, err := stanlimits.Subscription(spec)
	if err != nil {
		return nil, err
	}
	spec.AckWait = (spec.AckWait + time.Second - 1).Truncate(time.Second)
	var m *member
	err = c.await(ctx, func() bool {
		if !c.health.Connected || c.link != linkUp {
			return false
		}
		m = newMember(c, spec, handle)
		c.members = append(c.members, m)
		m.join()
		c.bus.running.Go(m.run)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to %s: %w", spec.Channel, err)
	}
	return m, nil
}

// Channels implements bus.Inspector.
func (c *Conn) Channels(ctx context.Context) ([]bus.Channel, error) {
	c.bus.mu.Lock()
	defer c.bus.unlock()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("read channels: %w: %w", bus.ErrUnavailable, ctx.Err())
	case c.bus.stopped:
		return nil, fmt.Errorf("read channels: %w: %s", bus.ErrUnavailable, stopped)
	}
	var all []bus.Channel
	for _, name := range slices.Sorted(maps.Keys(c.bus.channels)) {
		all = append(all, c.bus.channels[name].books())
	}
	return all, nil
}

// Channel implements bus.Inspector.
func (c *Conn) Channel(ctx context.Context, name string) (bus.Channel, error) {
	if err := stanlimits.CheckChannel(name); err != nil {
		return bus.Channel{}, err
	}
	channels, err := c.Channels(ctx)
	for _, channel := range channels {
		if channel.Name == name {
			return channel, nil
		}
	}
	return bus.Channel{Name: name}, err
}

// Health implements bus.HealthReporter. A stall is noticed after Silence.
func (c *Conn) Health() bus.Health {
	c.bus.mu.Lock()
	defer c.bus.unlock()
	return c.health
}

// Connected implements bus.Conn.
func (c *Conn) Connected(ctx context.Context) error {
	return c.await(ctx, func() bool { return c.health.Connected })
}

// Close implements bus.Conn.
func (c *Conn) Close(ctx context.Context) error {
	c.bus.mu.Lock()
	if c.closing {
		c.bus.unlock()
		return bus.ErrClosed
	}
	c.closing = true
	c.broadcast()
	members := slices.Clone(c.members)
	c.bus.unlock()

	var leaving sync.WaitGroup
	errs := make([]error, len(members))
	for i, m := range members {
		leaving.Go(func() {
			if err := m.Close(ctx); !errors.Is(err, bus.ErrClosed) { // its owner may close it at the same time
				errs[i] = err
			}
		})
	}
	leaving.Wait()

	c.bus.mu.Lock()
	defer c.bus.unlock()
	c.lose("closed")
	c.bus.conns = slices.DeleteFunc(c.bus.conns, func(other *Conn) bool { return other == c })
	return errors.Join(errs...)
}

// connect makes the connection, if nothing forbids it, and puts the members back.
func (c *Conn) connect() {
	if c.health.Connected || c.closing || c.bus.stopped || c.link != linkUp {
		return
	}
	c.health = bus.Health{Connected: true, Since: time.Now(), Reconnects: c.connections, Redelivered: c.health.Redelivered}
	c.connections++
	for _, m := range c.members {
		m.join()
	}
	c.broadcast()
}

// lose ends the connection. The broker hands what its members hold to others.
func (c *Conn) lose(reason string) {
	if c.health.Connected {
		c.health.Since = time.Now()
	}
	c.health.Connected, c.health.Reason = false, reason
	for _, p := range c.endStall() {
		p.lost()
	}
	seats := c.seats
	c.seats = nil
	for _, s := range seats {
		s.leave()
		s.member.seat, s.member.inbox = nil, nil
	}
	for _, s := range seats {
		s.group.dispatch()
	}
	c.broadcast()
}

// await tries at once and after each change, with bus.mu held, until try succeeds.
func (c *Conn) await(ctx context.Context, try func() bool) error {
	for {
		c.bus.mu.Lock()
		closing, done := c.closing, !c.closing && try()
		health, changed := c.health, c.changed
		c.bus.unlock()
		switch {
		case closing:
			return bus.ErrClosed
		case done:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %s: %w", bus.ErrUnavailable, health.Reason, ctx.Err())
		}
	}
}

// broadcast wakes everyone who waits for a change. bus.mu is held.
func (c *Conn) broadcast() {
	close(c.changed)
	c.changed = make(chan struct{})
}
