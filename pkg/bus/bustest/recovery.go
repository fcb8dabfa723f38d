package bustest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"ticketing/pkg/bus"
)

func testRestartLosesNothing(t *testing.T, h Harness) {
	if !h.KeepsDisk {
		t.Skip("this broker has no disk, so a restart loses what it had")
	}
	const events = 200
	b := h.Start(t, 0)
	publisher, _ := open(t, b, "publisher")
	member, _ := open(t, b, "member")
	got := newRecord()
	subscribe(t, member, group("ticket:created", againSoon), got.acks("member"))

	// Given a publisher that retries what was not stored,
	published := make(chan struct{})
	go func() {
		defer close(published)
		for i := 1; i <= events; i++ {
			for publisher.Publish(soon(t), "ticket:created", fmt.Appendf(nil, "%d", i)) != nil {
				if publisher.Connected(soon(t)) != nil {
					return
				}
			}
		}
	}()
	// when the broker restarts in the middle,
	got.awaitAll(t, 1, events/4)
	if err := b.Restart(); err != nil {
		t.Fatalf("restart: %v", err)
	}
	// then every event is handled, some perhaps twice, and nothing stays behind.
	<-published
	got.awaitAll(t, 1, events)
	awaitNoLag(t, member, "ticket:created")
}

// awaitNoLag polls, because the broker does not tell when it has dealt with an ack.
func awaitNoLag(t *testing.T, i bus.Inspector, channel string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ch, err := i.Channel(soon(t), channel)
		if err == nil && len(ch.Durables) == 1 && ch.Lag(ch.Durables[0]) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the lag never was 0: %+v, %v", ch, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// survives checks that after trouble a connection with two members says so, comes back, and that both get
// what is published then.
func survives(t *testing.T, b Broker, trouble func(conn bus.Conn, link Network)) {
	t.Helper()
	conn, link := open(t, b, "member")
	grouped, plain := newRecord(), newRecord()
	subscribe(t, conn, group("ticket:created", againSoon), grouped.acks("grouped"))
	subscribe(t, conn, bus.Subscription{Channel: "order:created", Start: bus.FromNow}, plain.acks("plain"))

	trouble(conn, link)

	awaitHealth(t, conn, "connected again", func(h bus.Health) bool {
		return h.Connected && h.Reconnects > 0 && h.Reason == ""
	})
	publisher, _ := open(t, b, "publisher")
	publish(t, publisher, "ticket:created", 1001, 1010)
	publish(t, publisher, "order:created", 1001, 1010)
	grouped.awaitAll(t, 1001, 1010)
	plain.awaitAll(t, 1001, 1010)
}

func testRestart(t *testing.T, h Harness) {
	b := h.Start(t, 0)
	survives(t, b, func(bus.Conn, Network) {
		if err := b.Restart(); err != nil {
			t.Fatalf("restart: %v", err)
		}
	})
}

func testCut(t *testing.T, h Harness) {
	survives(t, h.Start(t, 0), func(conn bus.Conn, link Network) {
		link.Cut()
		awaitDisconnected(t, conn)
		link.Heal()
	})
}

func testSilence(t *testing.T, h Harness) {
	survives(t, h.Start(t, 0), func(conn bus.Conn, link Network) {
		// Nothing ends this connection; only the missing answers tell.
		link.Stall()
		awaitDisconnected(t, conn)
		link.Heal()
	})
}

func testSubscribeWaits(t *testing.T, h Harness) {
	b := h.Start(t, 0)
	conn, link := open(t, b, "member")
	link.Cut()
	awaitDisconnected(t, conn)

	// When the broker is away until the caller's time is over, then there is no subscription.
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := conn.Subscribe(short, group("ticket:created", 0), newRecord().acks(""))
	if !errors.Is(err, bus.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrUnavailable and the context's error", err)
	}

	// When it comes back in time, then there is.
	got := newRecord()
	subscribed := make(chan error, 1)
	go func() {
		_, err := conn.Subscribe(soon(t), group("ticket:created", 0), got.acks("member"))
		subscribed <- err
	}()
	link.Heal()
	if err := <-subscribed; err != nil {
		t.Fatalf("subscribe: %v", err)
	}
	publish(t, conn, "ticket:created", 1, 1)
	got.awaitAll(t, 1, 1)
}

func testPlainMissesNothing(t *testing.T, h Harness) {
	b := h.Start(t, 0)
	publisher, _ := open(t, b, "publisher")
	publish(t, publisher, "ticket:created", 1, 3)
	conn, link := open(t, b, "member")

	// Given a member that takes only what is new and has seen none of it, and one that has seen
	// everything and failed at the third event,
	fresh, all := newRecord(), newRecord()
	plain := bus.Subscription{Channel: "ticket:created", AckWait: neverAgain}
	subscribe(t, conn, plain, all.answers("all", func(m bus.Message) error {
		if m.Sequence == 3 {
			return errHandler
		}
		return nil
	}))
	plain.Start = bus.FromNow
	subscribe(t, conn, plain, fresh.acks("fresh"))
	all.awaitAll(t, 1, 3)

	// when events are published while they are away, and the way back to the broker takes longer than they
	// were there before, so that nothing that tells it how long ago that was can be right,
	link.Cut()
	awaitDisconnected(t, conn)
	publish(t, publisher, "ticket:created", 4, 6)
	link.Slow(200 * time.Millisecond)

	// then both get them, and the third comes again to the one that failed at it.
	fresh.awaitAll(t, 4, 6)
	all.awaitAll(t, 4, 6)
	all.await(t, "the third event twice", func(got []delivery) bool {
		times := 0
		for _, d := range got {
			if d.Sequence == 3 {
				times++
			}
		}
		return times >= 2
	})
	for _, d := range all.all()[3:] {
		if d.Sequence < 3 {
			t.Errorf("event %d came again though it was acked", d.Sequence)
		}
	}
}
