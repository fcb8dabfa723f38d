package stan_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest"
	"ticketing/pkg/bus/stan"
	"ticketing/pkg/bus/stan/stanserver"
)

const patience = 60 * time.Second

func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func open(t testing.TB, cfg stan.Config) *stan.Conn {
	t.Helper()
	conn, err := stan.Open(cfg, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := conn.Close(soon(t)); err != nil && !errors.Is(err, bus.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return conn
}

func connected(t testing.TB, cfg stan.Config) *stan.Conn {
	t.Helper()
	conn := open(t, cfg)
	if err := conn.Connected(soon(t)); err != nil {
		t.Fatalf("not connected: %v", err)
	}
	return conn
}

func linkTo(t testing.TB, b *broker) *bustest.Link {
	t.Helper()
	link, err := bustest.NewLink(b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(link.Close)
	return link
}

// poll waits for what has no event to wait for.
func poll(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never saw %s", what)
		}
	}
}

func ordersGroup() bus.Subscription {
	return bus.Subscription{Channel: "ticket:created", Group: "orders", Durable: "orders", AckWait: time.Minute}
}

func TestOpenRefusesAWrongConfig(t *testing.T) {
	_, err := stan.Open(stan.Config{URL: "nats://127.0.0.1:4222", ClusterID: "test", ClientID: "a b"}, slog.Default())
	if err == nil || !strings.Contains(err.Error(), `client id "a b"`) {
		t.Errorf("got %v, want an error about the client id", err)
	}
}

func TestConnectsWhenTheBrokerComes(t *testing.T) {
	t.Parallel()
	// Given a connection opened while there is no broker,
	b := startBroker(t, stanserver.Config{})
	b.server.Shutdown()
	conn := open(t, b.config("early", b.Addr()))
	poll(t, "what it waits for", func() bool {
		return conn.Health().Reason == "no NATS server answers at nats://"+b.Addr()
	})
	if err := conn.Publish(soon(t), "ticket:created", nil); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("publish: %v, want ErrUnavailable", err)
	}
	// when the broker comes, then it connects.
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := conn.Connected(soon(t)); err != nil {
		t.Fatal(err)
	}
	if got := conn.Health().Reconnects; got != 0 {
		t.Errorf("the first connection counts as %d reconnects", got)
	}
}

func TestClientIDInUse(t *testing.T) {
	t.Parallel()
	b := startBroker(t, stanserver.Config{})
	first := connected(t, b.config("orders-0", b.Addr()))

	// When another one comes with the same id, then it says so and waits,
	second := open(t, b.config("orders-0", b.Addr()))
	poll(t, "the reason", func() bool {
		return second.Health().Reason == `client id "orders-0" is in use by another connection to cluster "test"`
	})
	if !first.Health().Connected {
		t.Error("the first connection was driven out")
	}
	// and takes over when the id is free.
	if err := first.Close(soon(t)); err != nil {
		t.Fatal(err)
	}
	if err := second.Connected(soon(t)); err != nil {
		t.Error(err)
	}
}

func TestWrongCluster(t *testing.T) {
	t.Parallel()
	b := startBroker(t, stanserver.Config{})
	cfg := b.config("lost", b.Addr())
	cfg.ClusterID = "elsewhere"
	conn := open(t, cfg)
	poll(t, "the reason", func() bool {
		return conn.Health().Reason == `no cluster "elsewhere" answers at nats://`+b.Addr()
	})
}

// lines counts the log lines from warn up.
type lines struct {
	slog.Handler
	count *atomic.Int64
}

func (l lines) Handle(context.Context, slog.Record) error { l.count.Add(1); return nil }
func (l lines) WithAttrs([]slog.Attr) slog.Handler        { return l }
func (l lines) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn
}

func TestWarnsOncePerReason(t *testing.T) {
	t.Parallel()
	// Given a port that hangs up on everyone,
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	attempts := make(chan struct{})
	var accepting sync.WaitGroup
	accepting.Go(func() {
		defer close(attempts)
		for range 4 {
			conn, err := listener.Accept()
			if err != nil {
				t.Errorf("accept: %v", err)
				return
			}
			_ = conn.Close() // hanging up is the point
		}
	})

	// when the connection is tried again and again, then it is said once.
	var count atomic.Int64
	cfg := stan.Config{URL: "nats://" + listener.Addr().String(), ClusterID: "test", ClientID: "a"}
	conn, err := stan.Open(cfg, slog.New(lines{count: &count}))
	if err != nil {
		t.Fatal(err)
	}
	<-attempts
	if err := conn.Close(soon(t)); err != nil {
		t.Error(err)
	}
	if count.Load() != 1 {
		t.Errorf("%d lines for one reason, want 1", count.Load())
	}
	_ = listener.Close() // nothing is left to fail
	accepting.Wait()
}

func TestPayloads(t *testing.T) {
	t.Parallel()
	b := startBroker(t, stanserver.Config{})
	conn := connected(t, b.config("publisher", b.Addr()))
	if err := conn.Publish(soon(t), "ticket:created", make([]byte, 1<<20)); err != nil {
		t.Errorf("1 MiB: %v", err)
	}
	err := conn.Publish(soon(t), "ticket:created", make([]byte, 3<<20))
	if err == nil || errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("3 MiB: %v, want an error that does not ask for a retry", err)
	}
	if err := conn.Publish(soon(t), "ticket:created", nil); err != nil {
		t.Errorf("the connection did not survive it: %v", err)
	}
}

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
	const inflight = 4
	b := startBroker(t, stanserver.Config{})
	conn := connected(t, b.config("member", b.Addr()))
	spec := ordersGroup()
	spec.AckWait, spec.MaxInflight = bus.MinAckWait, inflight

	// Given a handler that blocks while the broker sends the same events again each AckWait,
	release := make(chan struct{})
	m, err := conn.Subscribe(soon(t), spec, func(_ context.Context, _ bus.Message, settle bus.Settle) {
		<-release
		settle(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 * inflight {
		if err := conn.Publish(soon(t), "ticket:created", nil); err != nil {
			t.Fatal(err)
		}
	}
	// then copies are dropped beyond a limit,
	poll(t, "copies dropped", func() bool {
		waiting, dropped, err := stan.Queued(m)
		if err != nil {
			t.Fatal(err)
		}
		if waiting > 2*inflight {
			t.Fatalf("%d messages wait, want at most %d", waiting, 2*inflight)
		}
		return dropped > 0
	})
	// and nothing is lost by that.
	close(release)
	poll(t, "every event acked", func() bool {
		ch, err := conn.Channel(soon(t), "ticket:created")
		return err == nil && len(ch.Durables) == 1 && ch.LastSeq == 2*inflight && ch.Lag(ch.Durables[0]) == 0
	})
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
