package bustest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/bus"
)

func testPublishIsStored(t *testing.T, h Harness) {
	const events = 200
	b := h.Start(t, 0)
	conn, _ := open(t, b, "publisher")

	// When many publish at once,
	var publishing sync.WaitGroup
	for i := 1; i <= events; i++ {
		publishing.Go(func() {
			if err := conn.Publish(soon(t), "ticket:created", fmt.Appendf(nil, "%d", i)); err != nil {
				t.Errorf("publish %d: %v", i, err)
			}
		})
	}
	publishing.Wait()

	// then the broker has each of them once when the calls have returned,
	ch, err := conn.Channel(soon(t), "ticket:created")
	if err != nil {
		t.Fatalf("read the channel: %v", err)
	}
	if ch.Messages != events || ch.LastSeq != events {
		t.Errorf("the broker holds %d events up to %d, want %d", ch.Messages, ch.LastSeq, events)
	}
	// on its disk, where it has one,
	if h.KeepsDisk {
		if err := b.Restart(); err != nil {
			t.Fatalf("restart: %v", err)
		}
	}
	// and gives them out as they were published.
	reader, _ := open(t, b, "reader")
	got := newRecord()
	subscribe(t, reader, bus.Subscription{Channel: "ticket:created"}, got.acks("reader"))
	got.awaitAll(t, 1, events)
}

func testPublishWithoutAnswer(t *testing.T, h Harness) {
	conn, link := open(t, h.Start(t, 0), "publisher")

	// Given a network that swallows everything,
	link.Stall()
	defer link.Heal()

	// when the caller's time is over, then it is told that the outcome is unknown.
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := conn.Publish(ctx, "ticket:created", []byte("1"))
	if !errors.Is(err, bus.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrUnavailable and the context's error", err)
	}
	// Without a deadline of the caller's own, the adapter's ends the wait.
	if err := conn.Publish(soon(t), "ticket:created", []byte("2")); !errors.Is(err, bus.ErrUnavailable) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
}

func testInvalidChannel(t *testing.T, h Harness) {
	// Given a connection that cannot do any I/O,
	conn, link := open(t, h.Start(t, 0), "publisher")
	link.Cut()
	awaitDisconnected(t, conn)

	// when a name is not valid, then that is the error, not the missing connection.
	ctx := soon(t) // one for all: an adapter that waits for the connection has failed
	for _, name := range append([]string{""}, h.InvalidChannels...) {
		if err := conn.Publish(ctx, name, nil); !errors.Is(err, bus.ErrChannel) {
			t.Errorf("publish to %q: got %v, want ErrChannel", name, err)
		}
		send(t, conn, name, 1).await(t, func(err error) bool { return errors.Is(err, bus.ErrChannel) }, "ErrChannel")
		_, err := conn.Subscribe(ctx, bus.Subscription{Channel: name}, newRecord().acks(""))
		if !errors.Is(err, bus.ErrChannel) {
			t.Errorf("subscribe to %q: got %v, want ErrChannel", name, err)
		}
	}
	invalid := []bus.Subscription{
		{Channel: "a", Group: "g"},
		{Channel: "a", Durable: "d"},
		{Channel: "a", Group: "g", Durable: "d", Start: bus.FromNow},
		{Channel: "a", AckWait: -1},
		{Channel: "a", MaxInflight: -1},
	}
	for _, s := range append(invalid, h.InvalidSubscriptions...) {
		if _, err := conn.Subscribe(ctx, s, newRecord().acks("")); !errors.Is(err, bus.ErrSubscription) {
			t.Errorf("subscribe with %+v: got %v, want ErrSubscription", s, err)
		}
	}
}

func testPublishWhileDisconnected(t *testing.T, h Harness) {
	conn, link := open(t, h.Start(t, 0), "publisher")
	publish(t, conn, "ticket:created", 1, 1)

	// Given a connection that is lost,
	link.Cut()
	awaitDisconnected(t, conn)
	// when events are published, then it is an error,
	for range 10 {
		if err := conn.Publish(soon(t), "ticket:created", []byte("lost")); !errors.Is(err, bus.ErrUnavailable) {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	}
	send(t, conn, "ticket:created", 10).await(t, func(err error) bool { return errors.Is(err, bus.ErrUnavailable) }, "ErrUnavailable")
	// and they are not sent when it is back: the next event is the second in the channel.
	link.Heal()
	awaitConnected(t, conn)
	publish(t, conn, "ticket:created", 2, 2)
	ch, err := conn.Channel(soon(t), "ticket:created")
	if err != nil {
		t.Fatalf("read the channel: %v", err)
	}
	if ch.LastSeq != 2 {
		t.Errorf("the channel has %d events, want 2", ch.LastSeq)
	}
}
