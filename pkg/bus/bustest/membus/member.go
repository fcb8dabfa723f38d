package membus

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"ticketing/pkg/bus"
)

// member is one subscription, across all the connections it lives through.
type member struct {
	conn   *Conn
	spec   bus.Subscription
	handle bus.Handler
	ctx    context.Context // the handler's
	cancel context.CancelFunc
	idle   chan struct{} // closed when closing and nothing is in hand

	// guarded by bus.mu
	arrived *sync.Cond // inbox, closing
	seat    *seat      // nil: not connected, or gone
	group   *group     // nil before the first join
	inbox   []delivery
	hand    map[place]*delivery // given to the handler and not settled
	closing bool
}

// delivery is a message that has arrived.
type delivery struct {
	bus.Message
	place
}

// place tells copies of one event apart from the same event over another connection, which has to be settled there.
type place struct {
	seat     *seat
	sequence uint64
}

func newMember(c *Conn, spec bus.Subscription, handle bus.Handler) *member {
	ctx, cancel := context.WithCancel(context.Background())
	return &member{
		conn: c, spec: spec, handle: handle, ctx: ctx, cancel: cancel,
		idle: make(chan struct{}), arrived: sync.NewCond(&c.bus.mu), hand: make(map[place]*delivery),
	}
}

// join takes a seat over the connection that there is now. A plain subscription keeps its group, unless that is gone
// with the disk; then it takes what was published since.
func (m *member) join() {
	channel := m.conn.bus.channel(m.spec.Channel)
	switch {
	case m.group == nil && m.spec.Start == bus.FromNow:
		m.group = channel.join(m.spec, channel.last)
	case m.group == nil || m.group.channel != channel:
		m.group = channel.join(m.spec, 0)
	}
	m.seat = &seat{member: m, group: m.group, pending: make(map[uint64]*sent)}
	m.conn.seats = append(m.conn.seats, m.seat)
	m.group.seats = append(m.group.seats, m.seat)
	m.group.dispatch()
}

// send puts a message in the queue of the handler, if it arrives and there is room.
func (m *member) send(s *seat, msg bus.Message) {
	m.conn.carry(parcel{lost: nothing, arrive: func() {
		drop := m.conn.bus.drop
		if m.closing || len(m.inbox) >= 2*m.spec.MaxInflight || drop != nil && drop(m.conn.id, msg) {
			return
		}
		if msg.Attempt > 1 {
			m.conn.health.Redelivered++
		}
		m.inbox = append(m.inbox, delivery{msg, place{s, msg.Sequence}})
		m.arrived.Broadcast()
	}})
}

// run calls the handler for one message after the other until the member is closed.
func (m *member) run() {
	for {
		d := m.next()
		if d == nil {
			return
		}
		m.handle(m.ctx, d.Message, func(err error) { m.settle(d, err) })
	}
}

// next takes a message in hand that is not there already. It returns nil when the member is closed.
func (m *member) next() *delivery {
	m.conn.bus.mu.Lock()
	defer m.conn.bus.unlock()
	for !m.closing {
		if len(m.inbox) == 0 {
			m.arrived.Wait()
			continue
		}
		d := m.inbox[0]
		m.inbox = m.inbox[1:]
		if m.hand[d.place] == nil {
			m.hand[d.place] = &d
			return &d
		}
	}
	return nil
}

// settle takes a message out of the hand and acks it if the handler succeeded.
func (m *member) settle(d *delivery, err error) {
	m.conn.bus.mu.Lock()
	defer m.conn.bus.unlock()
	if m.hand[d.place] != d {
		return // settled before
	}
	delete(m.hand, d.place)
	if err == nil { // a seat that is gone has nothing to ack
		m.conn.carry(parcel{arrive: func() { d.seat.ack(d.sequence) }, lost: nothing})
	}
	if m.closing && len(m.hand) == 0 {
		close(m.idle)
	}
}

// Close implements bus.Member. A handler may call it when it has settled its message.
func (m *member) Close(ctx context.Context) error {
	if !m.beginClose() {
		return bus.ErrClosed
	}
	defer m.cancel()
	var late error
	select {
	case <-m.idle:
	case <-ctx.Done():
		late = fmt.Errorf("close the member of %s: %w", m.spec.Channel, ctx.Err())
		m.cancel()
	}
	m.leave()
	return late
}

// beginClose takes no more messages. It reports false if that was done before.
func (m *member) beginClose() bool {
	m.conn.bus.mu.Lock()
	defer m.conn.bus.unlock()
	if m.closing {
		return false
	}
	m.closing, m.inbox = true, nil
	m.conn.members = slices.DeleteFunc(m.conn.members, func(other *member) bool { return other == m })
	m.arrived.Broadcast()
	if len(m.hand) == 0 {
		close(m.idle)
	}
	return true
}

// leave takes the member out of its group.
func (m *member) leave() {
	m.conn.bus.mu.Lock()
	defer m.conn.bus.unlock()
	s := m.seat
	m.seat = nil
	if s == nil {
		return
	}
	m.conn.carry(parcel{lost: nothing, arrive: func() {
		m.conn.seats = slices.DeleteFunc(m.conn.seats, func(other *seat) bool { return other == s })
		s.leave()
		s.group.dispatch()
	}})
}

func nothing() {}
