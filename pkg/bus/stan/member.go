package stan

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	stango "github.com/nats-io/stan.go"
	"github.com/nats-io/stan.go/pb"

	"ticketing/pkg/bus"
)

// member is one subscription, across all the sessions it lives through.
type member struct {
	conn   *Conn
	spec   bus.Subscription
	handle bus.Handler
	ctx    context.Context // the handler's
	cancel context.CancelFunc

	joining sync.Mutex // one join or leave at a time; guards the next two
	session *session   // nil before the first join
	sub     stango.Subscription

	turn sync.Mutex // held while the handler is called: one call at a time, across sessions

	mu       sync.Mutex
	closing  bool
	hand     map[delivery]struct{} // given to the handler and not settled
	idle     chan struct{}         // closed when closing and none is in hand
	position position
}

// delivery tells a message in hand from one that only has the same sequence: the ack of a message from a lost
// session goes nowhere, so the one that comes on the next session has to be given too.
type delivery struct {
	session  *session
	sequence uint64
}

func newMember(c *Conn, spec bus.Subscription, handle bus.Handler) *member {
	ctx, cancel := context.WithCancel(context.Background())
	return &member{
		conn: c, spec: spec, handle: handle,
		ctx: ctx, cancel: cancel, hand: make(map[delivery]struct{}), idle: make(chan struct{}),
	}
}

// join subscribes on s. Joining the same session again does nothing; bus.ErrClosed after Close.
func (m *member) join(ctx context.Context, s *session) error {
	m.joining.Lock()
	defer m.joining.Unlock()
	if m.isClosing() {
		return bus.ErrClosed
	}
	if m.session == s {
		return nil
	}
	if m.session == nil && m.spec.Start == bus.FromNow {
		m.learnNow(ctx)
	}
	sub, err := s.subscribe(m.spec, m.startAt(), func(msg *stango.Msg) { m.deliver(s, msg) })
	if err != nil {
		return err
	}
	m.session, m.sub = s, sub
	return nil
}

// learnNow notes which event is the last before the first join, while the broker is the one of the session
// that is about to be joined. What is published between this and the join comes too. The broker could also be
// told how long ago the first join was, but it would count that from when the request reaches it, on its own
// clock: a request under way for long, or a clock that is set, would jump over events.
func (m *member) learnNow(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	channel, err := m.conn.Channel(ctx, m.spec.Channel)
	if err != nil {
		m.conn.log.Debug("last event unknown; a lost connection may bring old ones", "subject", m.spec.Channel, "error", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.position.after(channel.LastSeq)
}

// startAt is where a subscription begins. A group ignores it once its durable exists.
func (m *member) startAt() stango.SubscriptionOption {
	if m.spec.Group != "" {
		return stango.DeliverAllAvailable()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	next, known := m.position.resume()
	switch {
	case known:
		return stango.StartAtSequence(next)
	case m.spec.Start == bus.FromNow && m.session == nil:
		return stango.StartAt(pb.StartPosition_NewOnly)
	default:
		// Also where it has joined before, from an event that could not be learnt, and has seen
		// nothing: only everything is sure to have what was published since.
		return stango.DeliverAllAvailable()
	}
}

// deliver hands one message to the handler, unless the member is leaving or the session it came on is
// lost: then it stays un-acked and comes again. Nor does it hand on a copy of what the handler still has: the
// original's ack covers it, and where the original fails, the broker sends another.
func (m *member) deliver(s *session, msg *stango.Msg) {
	m.turn.Lock()
	defer m.turn.Unlock()
	if msg.Redelivered {
		m.conn.redelivered.Add(1)
	}
	d := delivery{s, msg.Sequence}
	if s.isLost() || !m.begin(d) {
		return
	}
	var once sync.Once
	settle := func(err error) {
		once.Do(func() { m.settle(d, msg, err) })
	}
	m.handle(m.ctx, bus.Message{
		Channel:  msg.Subject,
		Sequence: msg.Sequence,
		Time:     time.Unix(0, msg.Timestamp),
		Attempt:  int(msg.RedeliveryCount) + 1,
		Data:     msg.Data,
	}, settle)
}

// settle acks where the handler succeeded. The ack of a message whose session is lost, or whose member has
// left, goes nowhere: the message comes again.
func (m *member) settle(d delivery, msg *stango.Msg, outcome error) {
	if outcome == nil {
		if err := msg.Ack(); err != nil {
			m.conn.log.Debug("ack not sent; the event comes again", "subject", msg.Subject,
				"sequence", msg.Sequence, "error", err)
			outcome = err
		}
	}
	m.end(d, outcome == nil)
}

// begin takes a message in hand, unless the member is closing or has it there already.
func (m *member) begin(d delivery) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, held := m.hand[d]; held || m.closing {
		return false
	}
	m.hand[d] = struct{}{}
	if m.spec.Group == "" {
		m.position.handed(d.sequence)
	}
	return true
}

// end takes a message out of the hand. Where it failed, the position of a plain subscription stays before it.
func (m *member) end(d delivery, acked bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.hand, d)
	if acked && m.spec.Group == "" {
		m.position.acked(d.sequence)
	}
	if m.closing && len(m.hand) == 0 {
		close(m.idle)
	}
}

func (m *member) isClosing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.closing
}

// beginClose stops deliveries. It reports false when that was done before.
func (m *member) beginClose() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closing {
		return false
	}
	m.closing = true
	if len(m.hand) == 0 {
		close(m.idle)
	}
	return true
}

// Close implements bus.Member. It may be called by the handler once it has settled its message. Leaving
// is one request to the broker and takes a moment, at most two seconds, beyond ctx.
func (m *member) Close(ctx context.Context) error {
	if !m.beginClose() {
		return bus.ErrClosed
	}
	m.conn.dismiss(m)
	defer m.cancel()
	var late error
	select {
	case <-m.idle:
	case <-ctx.Done():
		late = fmt.Errorf("close the member of %s: %w", m.spec.Channel, ctx.Err())
		m.cancel()
	}
	if err := m.leave(); err != nil {
		m.conn.log.Warn("left a channel without the broker's answer", "subject", m.spec.Channel, "error", err)
	}
	return late
}

// abandon takes back a member that was never handed out.
func (m *member) abandon() {
	m.beginClose()
	defer m.cancel()
	if err := m.leave(); err != nil {
		m.conn.log.Debug("left a channel without the broker's answer", "subject", m.spec.Channel, "error", err)
	}
}

// leave takes the member out of its group; the durable stays. The broker answers only after it has dealt
// with every ack sent before, because they travel on one connection and it waits for them.
func (m *member) leave() error {
	m.joining.Lock()
	defer m.joining.Unlock()
	if m.sub == nil || m.session.isLost() {
		return nil
	}
	err := m.sub.Close()
	if err == nil || errors.Is(err, stango.ErrConnectionClosed) || m.session.isLost() {
		return nil // with the session, the membership is gone
	}
	m.session.loseIfUnknown(err)
	return err
}
