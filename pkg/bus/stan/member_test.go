package stan_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest"
	"ticketing/pkg/bus/stan"
	"ticketing/pkg/bus/stan/stanlimits"
	"ticketing/pkg/bus/stan/stanserver"
)

func TestCloseInsideTheHandler(t *testing.T) {
	t.Parallel()
	b := startBroker(t, stanserver.Config{})
	conn := connected(t, b.config("member", b.Addr()))
	closed := make(chan error, 1)
	members := make(chan bus.Member, 1)
	m, err := conn.Subscribe(soon(t), ordersGroup(), func(ctx context.Context, _ bus.Message, settle bus.Settle) {
		settle(nil)
		closed <- (<-members).Close(soon(t))
		<-ctx.Done()
	})
	if err != nil {
		t.Fatal(err)
	}
	members <- m
	if err := conn.Publish(soon(t), "ticket:created", nil); err != nil {
		t.Fatal(err)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close inside the handler: %v", err)
	}
}

func TestCloseWhileTheNetworkIsAway(t *testing.T) {
	for name, away := range map[string]func(*bustest.Link){"cut": (*bustest.Link).Cut, "stalled": (*bustest.Link).Stall} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, stanserver.Config{})
			link := linkTo(t, b)
			conn := connected(t, b.config("member", link.Addr()))
			_, err := conn.Subscribe(soon(t), ordersGroup(), bus.Each(func(context.Context, bus.Message) error { return nil }))
			if err != nil {
				t.Fatal(err)
			}
			away(link)
			if err := conn.Close(soon(t)); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func TestOneCallAtATimeAcrossALostConnection(t *testing.T) {
	t.Parallel()
	b := startBroker(t, stanserver.Config{})
	link := linkTo(t, b)
	conn := connected(t, b.config("member", link.Addr()))

	// Given a handler that is in the middle of an event,
	var calls atomic.Int32
	entered, release := make(chan bus.Settle, 10), make(chan struct{})
	_, err := conn.Subscribe(soon(t), ordersGroup(), func(_ context.Context, _ bus.Message, settle bus.Settle) {
		if calls.Add(1) > 1 {
			t.Error("two calls overlap")
		}
		entered <- settle
		<-release
		calls.Add(-1)
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish(soon(t), "ticket:created", nil); err != nil {
		t.Fatal(err)
	}
	old := <-entered

	// when the connection is lost and made again, and the broker has sent the event again,
	link.Cut()
	poll(t, "the loss", func() bool { return !conn.Health().Connected })
	link.Heal()
	if err := conn.Connected(soon(t)); err != nil {
		t.Fatal(err)
	}
	poll(t, "the redelivery", func() bool {
		ch, err := conn.Channel(soon(t), "ticket:created")
		return err == nil && len(ch.Durables) == 1 && ch.Durables[0].Members == 1 && ch.Durables[0].Pending == 1
	})
	// then the handler is not called before it has returned,
	close(release)
	again := <-entered
	// the old settle harms nothing, and the new one counts.
	old(nil)
	again(nil)
	poll(t, "the ack", func() bool {
		ch, err := conn.Channel(soon(t), "ticket:created")
		return err == nil && len(ch.Durables) == 1 && ch.Lag(ch.Durables[0]) == 0
	})
}

func TestABlockedHandlerDoesNotFillTheMemory(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ inflight, total, size int }{
		"with many copies":  {inflight: 4, total: 8},
		"with large events": {inflight: 64, total: 48, size: 900},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, stanserver.Config{})
			cfg := b.config("member", b.Addr())
			cfg.MaxQueuedBytes, cfg.PublishTimeout = 32<<10, patience // the copies take the way of the publishes' answers
			conn := connected(t, cfg)
			spec := ordersGroup()
			spec.AckWait, spec.MaxInflight = stanlimits.MinAckWait, tt.inflight

			// Given a handler that blocks while the broker sends the same events again each AckWait,
			release := make(chan struct{})
			m, err := conn.Subscribe(soon(t), spec, func(_ context.Context, _ bus.Message, settle bus.Settle) {
				<-release
				settle(nil)
			})
			if err != nil {
				t.Fatal(err)
			}
			for range tt.total {
				if err := conn.Publish(soon(t), "ticket:created", make([]byte, tt.size)); err != nil {
					t.Fatal(err)
				}
			}
			// then what comes is dropped beyond a limit,
			poll(t, "copies dropped", func() bool {
				waiting, size, dropped, err := stan.Queued(m)
				if err != nil {
					t.Fatal(err)
				}
				if waiting > 2*tt.inflight || size > cfg.MaxQueuedBytes {
					t.Fatalf("%d messages of %d bytes wait, want at most %d and %d", waiting, size, 2*tt.inflight, cfg.MaxQueuedBytes)
				}
				return dropped > 0
			})
			// and nothing is lost by that.
			close(release)
			poll(t, "every event acked", func() bool {
				ch, err := conn.Channel(soon(t), "ticket:created")
				return err == nil && len(ch.Durables) == 1 && ch.LastSeq == uint64(tt.total) && ch.Lag(ch.Durables[0]) == 0
			})
		})
	}
}

// A broker that did not answer may have a member on its books that nobody listens for.
func TestStartsOverWhenTheBrokerDoesNotAnswer(t *testing.T) {
	acks := bus.Each(func(context.Context, bus.Message) error { return nil })
	setup := func(t *testing.T) (*stan.Conn, *bustest.Link) {
		t.Helper()
		b := startBroker(t, stanserver.Config{Heartbeat: stanserver.DefaultHeartbeat()})
		link := linkTo(t, b)
		cfg := b.config("member", link.Addr())
		cfg.PingInterval = 5 * time.Minute // pings must not be what finds it
		return connected(t, cfg), link
	}
	startsOver := func(t *testing.T, conn *stan.Conn, link *bustest.Link, members int) {
		t.Helper()
		poll(t, "the loss", func() bool { return !conn.Health().Connected })
		link.Heal()
		poll(t, "the members", func() bool {
			ch, err := conn.Channel(soon(t), "ticket:created")
			return err == nil && len(ch.Durables) == 1 && ch.Durables[0].Members == members
		})
	}

	t.Run("subscribe", func(t *testing.T) {
		t.Parallel()
		conn, link := setup(t)
		link.Stall()
		subscribed := make(chan error, 1)
		go func() {
			_, err := conn.Subscribe(soon(t), ordersGroup(), acks)
			subscribed <- err
		}()
		startsOver(t, conn, link, 1)
		if err := <-subscribed; err != nil {
			t.Errorf("subscribe: %v", err)
		}
	})
	t.Run("leave", func(t *testing.T) {
		t.Parallel()
		conn, link := setup(t)
		m, err := conn.Subscribe(soon(t), ordersGroup(), acks)
		if err != nil {
			t.Fatal(err)
		}
		link.Stall()
		if err := m.Close(soon(t)); err != nil {
			t.Errorf("close: %v", err)
		}
		startsOver(t, conn, link, 0)
	})
}

// Without the broker's monitoring nothing tells where "now" was, once the connection is lost: older events may
// come, but none is missed.
func TestFromNowOverALostConnection(t *testing.T) {
	for name, tt := range map[string]struct {
		monitored bool
		want      []string
	}{
		"with monitoring":    {true, []string{"new"}},
		"without monitoring": {false, []string{"old", "new"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBroker(t, stanserver.Config{})
			publisher := connected(t, b.config("publisher", b.Addr()))
			publish := func(data string) {
				t.Helper()
				if err := publisher.Publish(soon(t), "ticket:created", []byte(data)); err != nil {
					t.Fatal(err)
				}
			}
			publish("old")

			// Given a member that takes only what is new, and has seen nothing,
			link := linkTo(t, b)
			cfg := b.config("member", link.Addr())
			if !tt.monitored {
				cfg.MonitorURL = ""
			}
			conn := connected(t, cfg)
			got := make(chan string, 10)
			spec := bus.Subscription{Channel: "ticket:created", Start: bus.FromNow}
			_, err := conn.Subscribe(soon(t), spec, bus.Each(func(_ context.Context, m bus.Message) error {
				got <- string(m.Data)
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}

			// when an event is published while it is away, and the way back is slow, then it comes.
			link.Cut()
			poll(t, "the loss", func() bool { return !conn.Health().Connected })
			publish("new")
			link.Slow(200 * time.Millisecond)
			for _, want := range tt.want {
				select {
				case data := <-got:
					if data != want {
						t.Errorf("got %s, want %s", data, want)
					}
				case <-time.After(patience):
					t.Fatalf("%s never came", want)
				}
			}
		})
	}
}
