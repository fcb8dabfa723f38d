package stan

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	stango "github.com/nats-io/stan.go"
	"github.com/nats-io/stan.go/pb"

	"ticketing/pkg/bus"
)

// fakeConn is a connection whose answers a test decides.
type fakeConn struct {
	stango.Conn
	publish   func(answered stango.AckHandler) error
	subscribe func()
}

func (c fakeConn) PublishAsync(_ string, _ []byte, answered stango.AckHandler) (string, error) {
	return "", c.publish(answered)
}

func (c fakeConn) QueueSubscribe(string, string, stango.MsgHandler, ...stango.SubscriptionOption) (stango.Subscription, error) {
	c.subscribe()
	return fakeSubscription{}, nil
}

type fakeSubscription struct{ stango.Subscription }

func (fakeSubscription) SetPendingLimits(int, int) error { return nil }

func newSession(conn stango.Conn) *session {
	return &session{stan: conn, lost: make(chan struct{}), window: make(chan struct{}, 1)}
}

func lostSession() *session {
	s := newSession(nil)
	s.lose(errors.New("lost"))
	return s
}

// A place that is not given back is lost for the life of the session: after so many nothing is published any more.
func TestEveryAnswerGivesItsPlaceInTheWindowBack(t *testing.T) {
	refused := errors.New("refused")
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for _, test := range []struct {
		name    string
		ctx     context.Context
		publish func(answered stango.AckHandler) error
		want    error
	}{
		{"stored", context.Background(), func(answered stango.AckHandler) error { answered("", nil); return nil }, nil},
		{"not stored", context.Background(), func(answered stango.AckHandler) error { answered("", refused); return nil }, refused},
		{"not sent", context.Background(), func(stango.AckHandler) error { return refused }, refused},
		{"too late", over, func(stango.AckHandler) error { t.Error("it was sent"); return nil }, context.Canceled},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSession(fakeConn{publish: test.publish})
				ctx, cancel := context.WithTimeout(test.ctx, time.Minute)
				defer cancel()
				for i := range 2 * cap(s.window) {
					answers := 0
					s.publish(ctx, "ticket:created", nil, func(err error) {
						answers++
						if !errors.Is(err, test.want) {
							t.Errorf("event %d was answered with %v, want %v", i, err, test.want)
						}
					})
					if answers != 1 {
						t.Errorf("event %d was answered %d times", i, answers)
					}
				}
				if len(s.window) != 0 {
					t.Errorf("%d places are taken, want none", len(s.window))
				}
			})
		})
	}
}

func TestWhoFindsNoRoomTakesNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Given a full window,
		s := newSession(nil)
		s.window <- struct{}{}
		// when one more waits until its time is over, or the session is lost,
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.takeRoom(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("takeRoom = %v, want the context's error", err)
		}
		s.lose(bus.ErrClosed)
		if err := s.takeRoom(t.Context()); !errors.Is(err, bus.ErrClosed) {
			t.Errorf("takeRoom = %v, want the cause of the loss", err)
		}
		// then it has taken nothing.
		if len(s.window) != 1 {
			t.Errorf("%d places are taken, want one", len(s.window))
		}
	})
}

// The ack of a message from a lost session goes nowhere and the message comes again, so the handler must not see it.
func TestAMessageOfALostSessionIsNotHandedOn(t *testing.T) {
	var seen []uint64
	m := newMember(&Conn{}, bus.Subscription{}, func(_ context.Context, msg bus.Message, _ bus.Settle) {
		seen = append(seen, msg.Sequence)
	})
	m.deliver(lostSession(), &stango.Msg{MsgProto: pb.MsgProto{Sequence: 1}})
	if len(seen) != 0 {
		t.Errorf("the handler saw %v", seen)
	}
	if next, known := m.position.resume(); known {
		t.Errorf("the position went on to %d", next)
	}
	m.deliver(newSession(nil), &stango.Msg{MsgProto: pb.MsgProto{Sequence: 1}})
	if len(seen) != 1 {
		t.Errorf("the handler saw %v, want the message of the next session", seen)
	}
}

// The owner moves the members that it knows to the next session. One that joins the last session meanwhile must join
// again, or it would be a member that gets nothing.
func TestAMemberThatJoinedAnOldSessionJoinsTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Given a connection that gets a new session while a member joins the old one,
		c := &Conn{
			log:     slog.New(slog.DiscardHandler),
			members: make(map[*member]struct{}),
			changed: make(chan struct{}),
		}
		next := newSession(fakeConn{subscribe: func() {}})
		old := newSession(fakeConn{subscribe: func() {
			if left := c.install(next); len(left) != 0 {
				t.Errorf("the owner takes over %d members, want none", len(left))
			}
		}})
		c.install(old)
		// when it is enlisted,
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		m := newMember(c, bus.Subscription{Channel: "ticket:created", Group: "g"}, nil)
		if err := c.enlist(ctx, m); err != nil {
			t.Fatal(err)
		}
		// then it is a member of the new one, and in the owner's care.
		if m.session != next {
			t.Error("it is not a member of the new session")
		}
		if _, ok := c.members[m]; !ok {
			t.Error("the owner does not know it")
		}
	})
}
