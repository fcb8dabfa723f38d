package membus

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"ticketing/pkg/bus"
)

// The broker's side: channels, groups and what each member holds. Bus.mu is held by every caller.

// channel is what was published under one name.
type channel struct {
	bus    *Bus
	name   string
	events []event // retained, oldest first
	last   uint64
	groups []*group
}

type event struct {
	sequence uint64
	at       time.Time
	data     []byte
}

// first is the sequence of the oldest event retained, or of the next one if there is none.
func (c *channel) first() uint64 {
	return c.last + 1 - uint64(len(c.events))
}

func (c *channel) store(data []byte) {
	c.last++
	c.events = append(c.events, event{c.last, time.Now(), data})
	c.trim(c.bus.retain)
	for _, g := range c.groups {
		g.dispatch()
	}
}

func (c *channel) trim(retain int) {
	if excess := len(c.events) - retain; retain > 0 && excess > 0 {
		c.events = c.events[excess:]
	}
}

func (c *channel) books() bus.Channel {
	b := bus.Channel{Name: c.name, Messages: uint64(len(c.events)), LastSeq: c.last}
	if c.last > 0 {
		b.FirstSeq = c.first()
	}
	for _, e := range c.events {
		b.Bytes += uint64(len(e.data))
	}
	for _, g := range c.groups {
		if g.durable != "" {
			b.Durables = append(b.Durables, g.books())
		}
	}
	slices.SortFunc(b.Durables, func(a, b bus.Durable) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name))
	})
	return b
}

// join returns the group of a subscription, which begins after lastSent if it is new. A plain subscription is a
// group of its own without a name.
func (c *channel) join(spec bus.Subscription, lastSent uint64) *group {
	for _, g := range c.groups {
		if spec.Group != "" && g.name == spec.Group && g.durable == spec.Durable {
			return g
		}
	}
	g := &group{channel: c, name: spec.Group, durable: spec.Durable, lastSent: lastSent}
	c.groups = append(c.groups, g)
	return g
}

// group is the position of a queue group.
type group struct {
	channel       *channel
	name, durable string
	lastSent      uint64
	orphans       []*sent // un-acked events that no member holds, by sequence
	seats         []*seat
}

// sent is an event that was delivered and not acked.
type sent struct {
	event
	attempt int
	due     time.Time // when it is delivered again
}

// seat is a member of a group, for as long as one connection lasts.
type seat struct {
	member  *member
	group   *group
	pending map[uint64]*sent // by sequence
	wait    func()           // stops the timer of expire; nil: none is running
}

func (g *group) books() bus.Durable {
	d := bus.Durable{
		Name: g.durable, Group: g.name, LastSent: g.lastSent,
		Pending: uint64(len(g.orphans)), Members: len(g.seats),
	}
	for _, s := range g.seats {
		d.Pending += uint64(len(s.pending))
	}
	return d
}

// dispatch sends what there is to send: the orphans, to whomever, then new events, to members with room.
func (g *group) dispatch() {
	if g.channel.bus.stopped || len(g.seats) == 0 {
		return
	}
	for _, d := range g.orphans {
		if d.sequence >= g.channel.first() { // the broker does not miss what retention has removed
			s, _ := g.pick()
			s.send(d)
		}
	}
	g.orphans = nil
	for g.lastSent < g.channel.last {
		s, room := g.pick()
		if !room {
			return
		}
		g.lastSent = max(g.lastSent+1, g.channel.first())
		s.send(&sent{event: g.channel.events[g.lastSent-g.channel.first()]})
	}
}

// pick returns the member that holds least of those that have room, and whether it has room. Members that hold
// the same take turns.
func (g *group) pick() (best *seat, room bool) {
	for _, s := range g.seats {
		if len(s.pending) < s.member.spec.MaxInflight && (!room || len(s.pending) < len(best.pending)) {
			best, room = s, true
		}
	}
	if !room {
		best = g.seats[0]
	}
	if best == g.seats[0] {
		g.seats = append(g.seats[1:], best)
	}
	return best, room
}

// orphan takes an un-acked event from its member.
func (g *group) orphan(s *seat, d *sent) {
	delete(s.pending, d.sequence)
	at, _ := slices.BinarySearchFunc(g.orphans, d, func(a, b *sent) int { return cmp.Compare(a.sequence, b.sequence) })
	g.orphans = slices.Insert(g.orphans, at, d)
}

func (s *seat) send(d *sent) {
	d.attempt++
	d.due = time.Now().Add(s.member.spec.AckWait)
	s.pending[d.sequence] = d
	s.arm()
	s.member.send(s, bus.Message{
		Channel: s.group.channel.name, Sequence: d.sequence, Time: d.at, Attempt: d.attempt, Data: bytes.Clone(d.data),
	})
}

// arm starts the timer for the event that is due first, unless it is running.
func (s *seat) arm() {
	if s.wait != nil || len(s.pending) == 0 {
		return
	}
	var first time.Time
	for _, d := range s.pending {
		if first.IsZero() || d.due.Before(first) {
			first = d.due
		}
	}
	s.wait = s.group.channel.bus.after(time.Until(first), s.expire)
}

// expire delivers the events again whose AckWait is over.
func (s *seat) expire() {
	s.wait = nil
	now := time.Now()
	for _, d := range s.pending {
		if !d.due.After(now) {
			s.group.orphan(s, d)
		}
	}
	s.arm()
	s.group.dispatch()
}

func (s *seat) ack(sequence uint64) {
	delete(s.pending, sequence)
	s.group.dispatch()
}

// leave gives up the seat. The caller dispatches what becomes of its events. A group without members remembers
// which events were delivered, but not how often.
func (s *seat) leave() {
	g := s.group
	g.seats = slices.DeleteFunc(g.seats, func(other *seat) bool { return other == s })
	if s.wait != nil {
		s.wait()
		s.wait = nil
	}
	for _, d := range s.pending {
		g.orphan(s, d)
	}
	for _, d := range g.orphans {
		if len(g.seats) == 0 {
			d.attempt = 1
		}
	}
}
