package bustest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"ticketing/pkg/bus"
)

// answers collects what events that were sent are answered with.
type answers struct {
	came   chan answer
	expect int
}

type answer struct {
	event int
	err   error
}

// send sends the events 1 to n from one goroutine.
func send(t *testing.T, s bus.Sender, channel string, n int) *answers {
	t.Helper()
	a := &answers{came: make(chan answer, 2*n), expect: n} // with room for answers that should not come
	for i := 1; i <= n; i++ {
		s.Send(soon(t), channel, fmt.Appendf(nil, "%d", i), func(err error) { a.came <- answer{i, err} })
	}
	return a
}

// await waits for the answers of all events, and for no second one of any.
func (a *answers) await(t *testing.T, check func(error) bool, want string) {
	t.Helper()
	deadline := time.After(patience)
	seen := map[int]bool{}
	for len(seen) < a.expect {
		select {
		case got := <-a.came:
			if seen[got.event] {
				t.Fatalf("event %d was answered twice", got.event)
			}
			seen[got.event] = true
			if !check(got.err) {
				t.Fatalf("event %d was answered with %v, want %s", got.event, got.err, want)
			}
		case <-deadline:
			t.Fatalf("%d of %d events were answered", len(seen), a.expect)
		}
	}
	select {
	case got := <-a.came:
		t.Fatalf("event %d was answered twice", got.event)
	default:
	}
}

func testSendIsAnswered(t *testing.T, h Harness) {
	const events = 10_000 // more than may be without an answer
	conn, _ := open(t, h.Start(t, 0), "publisher")

	// When many are sent, then each is answered, once,
	sent := send(t, conn, "ticket:created", events)
	sent.await(t, func(err error) bool { return err == nil }, "nil")

	// and the broker has each of them once.
	ch, err := conn.Channel(soon(t), "ticket:created")
	if err != nil {
		t.Fatalf("read the channel: %v", err)
	}
	if ch.Messages != events || ch.LastSeq != events {
		t.Errorf("the broker holds %d events up to %d, want %d", ch.Messages, ch.LastSeq, events)
	}
}

func testSendWithoutAnswer(t *testing.T, h Harness) {
	conn, link := open(t, h.Start(t, 0), "publisher")
	unknown := func(err error) bool { return errors.Is(err, bus.ErrUnavailable) }

	// Given a network that swallows everything,
	link.Stall()
	defer link.Heal()

	// when the adapter's time is over, then each event is answered with that its outcome is unknown.
	send(t, conn, "ticket:created", 100).await(t, unknown, "ErrUnavailable")
}

func testSendNotWanted(t *testing.T, h Harness) {
	conn, _ := open(t, h.Start(t, 0), "publisher")

	// When the caller's context is over before the event has left, then that is the answer,
	over, cancel := context.WithCancel(context.Background())
	cancel()
	answered := make(chan error, 1)
	conn.Send(over, "ticket:created", []byte("1"), func(err error) { answered <- err })
	if err := <-answered; !errors.Is(err, bus.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want ErrUnavailable and the context's error", err)
	}
	// and the broker has nothing.
	publish(t, conn, "ticket:created", 1, 1)
	ch, err := conn.Channel(soon(t), "ticket:created")
	if err != nil {
		t.Fatalf("read the channel: %v", err)
	}
	if ch.LastSeq != 1 {
		t.Errorf("the channel has %d events, want 1", ch.LastSeq)
	}
}
