package bustest

import (
	"context"
	"errors"
	"testing"
	"time"

	"ticketing/pkg/bus"
)

func testCloseWaits(t *testing.T, h Harness) {
	b := h.Start(t, 0)
	conn, _ := open(t, b, "member")
	watcher, _ := open(t, b, "watcher")

	// Given a member with two events in work,
	got := newRecord()
	m := subscribe(t, conn, group("ticket:created", neverAgain), got.keeps("member"))
	publish(t, watcher, "ticket:created", 1, 2)
	work := got.awaitCount(t, 2)

	// when it is closed, twice, of which the second says at once that the first is under way,
	closed := make(chan error, 2)
	for range 2 {
		go func() { closed <- m.Close(soon(t)) }()
	}
	if err := <-closed; !errors.Is(err, bus.ErrClosed) {
		t.Fatalf("one Close returned %v with two events in work, want ErrClosed from the other", err)
	}
	publish(t, watcher, "ticket:created", 3, 3)

	// then Close waits for both events,
	for i, d := range work {
		select {
		case err := <-closed:
			t.Fatalf("Close returned %v with %d of 2 events settled", err, i)
		case <-time.After(50 * time.Millisecond): // a chance to return too early
		}
		if d.ctx.Err() != nil {
			t.Error("the handler's context ended while Close was waiting for it")
		}
		d.settle(nil)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}

	// the broker has both acks when it returns,
	ch := readChannel(t, watcher, "ticket:created")
	if len(ch.Durables) != 1 || ch.Lag(ch.Durables[0]) != 1 || ch.Durables[0].Members != 0 {
		t.Errorf("want one durable without members that lacks one event, got %+v", ch)
	}
	// and what came in the meantime is left to the next member.
	if n := len(got.all()); n != 2 {
		t.Errorf("the handler was given %d events, want none after Close", n-2)
	}
	next := newRecord()
	subscribe(t, watcher, group("ticket:created", neverAgain), next.acks("next"))
	next.awaitAll(t, 3, 3)
}

func testCloseAtOnce(t *testing.T, h Harness) {
	b := h.Start(t, 0)
	conn, _ := open(t, b, "member")
	got := newRecord()
	m := subscribe(t, conn, group("ticket:created", neverAgain), got.keeps("member"))
	publish(t, conn, "ticket:created", 1, 1)
	work := got.awaitCount(t, 1)[0]

	// When the time to finish is over, then Close says so and the handler is told to stop.
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.Close(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v, want the context's error", err)
	}
	select {
	case <-work.ctx.Done():
	case <-time.After(patience):
		t.Error("the handler's context did not end")
	}
	// Settling afterwards does nothing: the event comes to the next member.
	work.settle(nil)
	next := newRecord()
	subscribe(t, conn, group("ticket:created", neverAgain), next.acks("next"))
	next.awaitAll(t, 1, 1)
}

func testCloseConnection(t *testing.T, h Harness) {
	b := h.Start(t, 0)
	conn, _ := open(t, b, "member")
	got := newRecord()
	m := subscribe(t, conn, group("ticket:created", neverAgain), got.keeps("member"))
	publish(t, conn, "ticket:created", 1, 1)
	work := got.awaitCount(t, 1)[0]

	// When the connection is closed, then it waits for the member's event in work.
	closed := make(chan error, 1)
	go func() { closed <- conn.Close(soon(t)) }()
	select {
	case err := <-closed:
		t.Fatalf("Close returned %v with an event in work", err)
	case <-time.After(50 * time.Millisecond): // a chance to return too early
	}
	work.settle(nil)
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}

	// And nothing works any more, in the port's words.
	if err := conn.Publish(soon(t), "ticket:created", nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("publish: %v, want ErrClosed", err)
	}
	if _, err := conn.Subscribe(soon(t), group("ticket:created", 0), got.acks("")); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("subscribe: %v, want ErrClosed", err)
	}
	if err := m.Close(soon(t)); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("close the member: %v, want ErrClosed", err)
	}
	if err := conn.Close(soon(t)); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("a second Close: %v, want ErrClosed", err)
	}
	if conn.Health().Connected {
		t.Error("a closed connection says that it is connected")
	}
}
