package membus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
)

const channel = "ticket:created"

var errFailed = errors.New("the handler has failed")

func groupOf(ackWait time.Duration, maxInflight int) bus.Subscription {
	return bus.Subscription{Channel: channel, Group: "orders", Durable: "orders", AckWait: ackWait, MaxInflight: maxInflight}
}

// log notes what handlers were given, and when.
type log struct {
	mu    sync.Mutex
	began time.Time
	got   []string
}

func newLog() *log { return &log{began: time.Now()} }

// handler notes every message as "event after attempt" and settles it with outcome.
func (l *log) handler(outcome error) bus.Handler {
	return bus.Each(func(_ context.Context, m bus.Message) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, fmt.Sprintf("%d %v #%d", m.Sequence, time.Since(l.began), m.Attempt))
		return outcome
	})
}

// holds is a handler that leaves everything un-settled.
func holds(context.Context, bus.Message, bus.Settle) {}

// want compares everything noted when nothing moves any more, and starts anew.
func (l *log) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if diff := cmp.Diff(want, l.got); diff != "" {
		t.Errorf("deliveries (-want +got):\n%s", diff)
	}
	l.got = nil
}

func subscribe(t *testing.T, c *membus.Conn, spec bus.Subscription, h bus.Handler) bus.Member {
	t.Helper()
	m, err := c.Subscribe(t.Context(), spec, h)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func publish(t *testing.T, c *membus.Conn, n int) {
	t.Helper()
	for range n {
		if err := c.Publish(t.Context(), channel, []byte("event")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRedeliveryComesExactlyAfterAckWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, got := membus.New(t).Connect("a"), newLog()
		subscribe(t, c, groupOf(2500*time.Millisecond, 10), got.handler(errFailed)) // whole seconds, rounded up
		publish(t, c, 1)
		time.Sleep(time.Second)
		publish(t, c, 1)
		time.Sleep(6 * time.Second)
		got.want(t, "1 0s #1", "2 1s #1", "1 3s #2", "2 4s #2", "1 6s #3", "2 7s #3")
		if n := c.Health().Redelivered; n != 4 {
			t.Errorf("%d messages came again, want 4", n)
		}
	})
}

func TestALeavingMembersEventsGoToTheOthersAtOnce(t *testing.T) {
	leave := map[string]func(*testing.T, *membus.Conn, bus.Member){
		"closed": func(t *testing.T, _ *membus.Conn, m bus.Member) {
			over, cancel := context.WithCancel(t.Context())
			cancel()
			if err := m.Close(over); !errors.Is(err, context.Canceled) {
				t.Errorf("close: %v", err)
			}
		},
		"cut": func(_ *testing.T, c *membus.Conn, _ bus.Member) { c.Cut() },
	}
	for name, leave := range leave {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, got := membus.New(t), newLog()
				first, second := b.Connect("first"), b.Connect("second")
				m := subscribe(t, first, groupOf(time.Minute, 10), holds)
				publish(t, first, 3)
				synctest.Wait()
				// The heir may hold two events, but is given all that the other one held.
				subscribe(t, second, groupOf(time.Minute, 2), got.handler(errFailed))
				leave(t, first, m)
				got.want(t, "1 0s #2", "2 0s #2", "3 0s #2")
			})
		})
	}
}

func TestMaxInflightHoldsBackWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := membus.New(t).Connect("a")
		var settle []bus.Settle
		var got []uint64
		subscribe(t, c, groupOf(time.Minute, 2), func(_ context.Context, m bus.Message, s bus.Settle) {
			got, settle = append(got, m.Sequence), append(settle, s)
		})
		publish(t, c, 4)
		synctest.Wait()
		if want := []uint64{1, 2}; !slices.Equal(got, want) {
			t.Fatalf("holds %v, want %v", got, want)
		}
		settle[1](nil)
		synctest.Wait()
		if want := []uint64{1, 2, 3}; !slices.Equal(got, want) {
			t.Fatalf("was given %v, want %v", got, want)
		}
	})
}

func TestCopiesForABlockedHandlerAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := membus.New(t).Connect("a")
		subscribe(t, c, groupOf(time.Second, 2), func(ctx context.Context, _ bus.Message, _ bus.Settle) { <-ctx.Done() })
		publish(t, c, 2)
		// One is with the handler, one in the queue, where two copies of both would be three too many.
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := c.Health().Redelivered; n != 3 {
			t.Errorf("%d copies have come, want 3", n)
		}
	})
}

func TestADroppedDeliveryComesAfterAckWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, got := membus.New(t), newLog()
		c := b.Connect("a")
		b.Drop(func(clientID string, m bus.Message) bool {
			return clientID == "a" && m.Sequence == 1 && m.Attempt == 1
		})
		subscribe(t, c, groupOf(5*time.Second, 10), got.handler(nil))
		publish(t, c, 2)
		time.Sleep(5 * time.Second)
		got.want(t, "2 0s #1", "1 5s #2")
	})
}

func TestRetentionForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, got := membus.New(t), newLog()
		c := b.Connect("a")
		subscribe(t, c, groupOf(5*time.Second, 2), got.handler(errFailed))
		publish(t, c, 5)
		got.want(t, "1 0s #1", "2 0s #1")
		// When what was sent and what was not sent is removed, then neither comes, and the loss is in the books.
		b.Retain(2)
		ch, err := c.Channel(t.Context(), channel)
		if err != nil || ch.FirstSeq != 4 || ch.Messages != 2 || ch.Lost(ch.Durables[0]) != 1 {
			t.Errorf("the books say %+v, %v", ch, err)
		}
		time.Sleep(5 * time.Second)
		got.want(t, "4 5s #1", "5 5s #1")
	})
}

func TestAStoppedBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, got := membus.New(t), newLog()
		c := b.Connect("a")
		subscribe(t, c, groupOf(time.Minute, 10), got.handler(errFailed))
		plain := bus.Subscription{Channel: channel, Start: bus.FromNow, AckWait: time.Minute}
		subscribe(t, c, plain, got.handler(nil))
		publish(t, c, 1)
		got.want(t, "1 0s #1", "1 0s #1")
		time.Sleep(time.Minute)
		got.want(t, "1 1m0s #2")

		b.Stop()
		if err := c.Publish(t.Context(), channel, nil); !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("publish: %v, want ErrUnavailable", err)
		}
		if _, err := c.Channel(t.Context(), channel); !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("the books: %v, want ErrUnavailable", err)
		}
		time.Sleep(2 * time.Minute)
		got.want(t)

		// The group gets again what was not acked; how often it had come is forgotten. The plain subscription
		// had acked it.
		b.Start()
		got.want(t, "1 3m0s #2")
		publish(t, c, 1)
		got.want(t, "2 3m0s #1", "2 3m0s #1")
		if h := c.Health(); !h.Connected || h.Reconnects != 1 {
			t.Errorf("health is %+v", h)
		}
	})
}

func TestAStoppingBrokerHandsNothingOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membus.New(t)
		first, second := b.Connect("first"), b.Connect("second")
		subscribe(t, first, groupOf(time.Minute, 10), holds)
		subscribe(t, second, groupOf(time.Minute, 10), holds)
		publish(t, first, 2)
		synctest.Wait()
		b.Stop()
		if n := second.Health().Redelivered; n != 0 {
			t.Errorf("%d messages came again from a broker that was stopping", n)
		}
	})
}

func TestASecondSettleDoesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := membus.New(t).Connect("a")
		var settle []bus.Settle
		subscribe(t, c, groupOf(time.Second, 2), func(_ context.Context, _ bus.Message, s bus.Settle) {
			settle = append(settle, s)
		})
		publish(t, c, 1)
		synctest.Wait()
		settle[0](errFailed)
		time.Sleep(time.Second)
		synctest.Wait()
		// The event is in hand for the second time. What was settled with an error stays so.
		settle[0](nil)
		ch, err := c.Channel(t.Context(), channel)
		if err != nil || ch.Lag(ch.Durables[0]) != 1 {
			t.Errorf("the books say %+v, %v; want one event in work", ch, err)
		}
	})
}

func TestAWipedBrokerBeginsAtOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, got := membus.New(t), newLog()
		c := b.Connect("a")
		subscribe(t, c, groupOf(time.Minute, 10), got.handler(errFailed))
		publish(t, c, 3)
		got.want(t, "1 0s #1", "2 0s #1", "3 0s #1")
		b.Wipe()
		plain := bus.Subscription{Channel: channel, AckWait: time.Minute}
		subscribe(t, c, plain, got.handler(nil))
		publish(t, c, 1)
		got.want(t, "1 0s #1", "1 0s #1")
		b.Wipe()
		publish(t, c, 1)
		got.want(t, "1 0s #1", "1 0s #1")
	})
}

func TestWhatTimedOutInAStallIsStoredWhenItEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		stall  time.Duration
		stored uint64
	}{
		"a stall":           {membus.Silence - 1, 1},
		"a lost connection": {membus.Silence + 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := membus.New(t).Connect("a")
				c.Stall()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := c.Publish(ctx, channel, nil); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("publish: %v", err)
				}
				time.Sleep(tt.stall - time.Second)
				c.Heal()
				if ch, err := c.Channel(t.Context(), channel); err != nil || ch.LastSeq != tt.stored {
					t.Errorf("the books say %+v, %v; want %d events", ch, err, tt.stored)
				}
			})
		})
	}
}

// The end of a stall and the moment of giving up may meet. Whichever is first, the connection is there after.
func TestAStallThatEndsWhenItIsGivenUpIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := membus.New(t).Connect("a")
		for range 1000 {
			c.Stall()
			time.Sleep(membus.Silence)
			c.Heal()
			synctest.Wait()
			if h := c.Health(); !h.Connected {
				t.Fatalf("health is %+v", h)
			}
		}
	})
}

// A bubble reports goroutines that outlive it. Here there is one of each kind when the bus is closed.
func TestCloseLeavesNothingRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membus.New(t)
		c, stalled, cut := b.Connect("a"), b.Connect("stalled"), b.Connect("cut")
		ended := false
		subscribe(t, c, groupOf(time.Minute, 10), func(ctx context.Context, _ bus.Message, _ bus.Settle) {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended = true
		})
		subscribe(t, stalled, bus.Subscription{Channel: "other"}, holds)
		subscribe(t, cut, bus.Subscription{Channel: channel}, holds)
		publish(t, c, 2)
		synctest.Wait()
		stalled.Stall()
		cut.Cut()
		errs := make(chan error, 2)
		go func() { errs <- stalled.Publish(t.Context(), channel, nil) }()
		go func() {
			_, err := cut.Subscribe(t.Context(), groupOf(0, 0), holds)
			errs <- err
		}()
		synctest.Wait()
		began := time.Now()
		b.Close()
		if !ended {
			t.Error("Close did not wait for the handler")
		}
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("Close has waited %v, want only for the handler", waited)
		}
		for range 2 {
			if err := <-errs; !errors.Is(err, bus.ErrUnavailable) && !errors.Is(err, bus.ErrClosed) {
				t.Errorf("a waiting call returned %v", err)
			}
		}
	})
}

// Whatever happens, what was published is acked by the group in the end, and every subscriber's calls stay in line.
func TestNothingIsLostWhateverHappens(t *testing.T) {
	steps := rapid.SliceOfN(rapid.SampledFrom([]string{
		"publish", "publish", "publish", "wait", "wait", "stop", "start", "cut", "stall", "heal", "leave", "join",
	}), 1, 60)
	rapid.Check(t, func(rt *rapid.T) {
		script := steps.Draw(rt, "steps")
		fails := rapid.IntRange(1, 5).Draw(rt, "one in how many fails")
		synctest.Test(t, func(t *testing.T) {
			if err := play(t, script, fails); err != nil {
				rt.Errorf("%v", err)
			}
		})
	})
}

func play(t *testing.T, script []string, fails int) error {
	b := membus.New(t)
	conns := []*membus.Conn{b.Connect("a"), b.Connect("b")}
	var mu sync.Mutex
	acked, calls := map[uint64]bool{}, 0
	handle := bus.Each(func(_ context.Context, m bus.Message) error {
		time.Sleep(300 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		if calls++; calls%fails == 0 && fails > 1 {
			return errFailed
		}
		acked[m.Sequence] = true
		return nil
	})
	members := []bus.Member{subscribe(t, conns[0], groupOf(time.Second, 3), handle)}
	stored := uint64(0)
	for i, step := range script {
		conn := conns[i%2]
		switch step {
		case "publish":
			if conn.Publish(t.Context(), channel, nil) == nil {
				stored++
			}
		case "wait":
			time.Sleep(700 * time.Millisecond)
		case "stop":
			b.Stop()
		case "start":
			b.Start()
		case "cut":
			conn.Cut()
		case "stall":
			conn.Stall()
		case "heal":
			conn.Heal()
		case "join":
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if m, err := conn.Subscribe(ctx, groupOf(time.Second, 3), handle); err == nil {
				members = append(members, m)
			}
			cancel()
		case "leave":
			if len(members) > 1 {
				if err := members[0].Close(t.Context()); err != nil {
					return err
				}
				members = members[1:]
			}
		}
	}
	b.Start()
	for _, c := range conns {
		c.Heal()
	}
	time.Sleep(10 * time.Minute)
	ch, err := conns[0].Channel(t.Context(), channel)
	if err != nil || ch.LastSeq != stored || ch.Lag(ch.Durables[0]) != 0 || ch.Durables[0].Members != len(members) {
		return fmt.Errorf("%d events and %d members, but the books say %+v, %w", stored, len(members), ch, err)
	}
	if len(acked) != int(stored) {
		return fmt.Errorf("%d of %d events were acked", len(acked), stored)
	}
	return nil
}
