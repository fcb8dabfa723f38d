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
