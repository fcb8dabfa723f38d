package stan_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan"
	"ticketing/pkg/bus/stan/stanserver"
)

// silent is a connection to a broker that swallows everything, and that waits for an answer for longer than a test does.
func silent(t *testing.T) (conn *stan.Conn, cut func()) {
	t.Helper()
	b := startBroker(t, stanserver.Config{})
	link := linkTo(t, b)
	cfg := b.config("publisher", link.Addr())
	cfg.PublishTimeout, cfg.PingInterval = time.Hour, time.Hour
	conn = connected(t, cfg)
	link.Stall()
	return conn, link.Cut
}

// sent sends that many events of a few bytes and returns where their answers come.
func sent(ctx context.Context, conn *stan.Conn, events int) <-chan error {
	answers := make(chan error, 2*events)
	for range events {
		conn.Send(ctx, "ticket:created", []byte("{}"), func(err error) { answers <- err })
	}
	return answers
}

// checkAnswers finds that many answers, all of them an error of the port, and no more.
func checkAnswers(t *testing.T, answers <-chan error, events int) {
	t.Helper()
	for i := range events {
		select {
		case err := <-answers:
			if !errors.Is(err, bus.ErrUnavailable) && !errors.Is(err, bus.ErrClosed) {
				t.Fatalf("answered with %v", err)
			}
		case <-time.After(patience):
			t.Fatalf("%d of %d events were answered", i, events)
		}
	}
	select {
	case err := <-answers:
		t.Errorf("one more answer than events: %v", err)
	default:
	}
}

func TestClosingAnswersWhatWasSent(t *testing.T) {
	t.Parallel()
	conn, _ := silent(t)
	answers := sent(soon(t), conn, 100)
	if err := conn.Close(soon(t)); err != nil {
		t.Errorf("close: %v", err)
	}
	checkAnswers(t, answers, 100)
}

func TestALostConnectionAnswersWhatWasSent(t *testing.T) {
	t.Parallel()
	conn, cut := silent(t)
	answers := sent(soon(t), conn, 100)
	cut()
	checkAnswers(t, answers, 100)
}

func TestSendWaitsForRoomInTheWindow(t *testing.T) {
	t.Parallel()
	// given as many events without an answer as may be
	conn, cut := silent(t)
	answers := sent(soon(t), conn, stan.PublishWindow)
	// when one more is sent, then it waits until its context ends,
	short, cancel := context.WithTimeout(soon(t), 20*time.Millisecond)
	defer cancel()
	if err := <-sent(short, conn, 1); !errors.Is(err, bus.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrUnavailable and the context's error", err)
	}
	// or until the connection is lost.
	waiting := make(chan error, 2)
	go conn.Send(soon(t), "ticket:created", nil, func(err error) { waiting <- err })
	cut()
	checkAnswers(t, answers, stan.PublishWindow)
	checkAnswers(t, waiting, 1)
}

func TestPublishTellsWhatIsWrongThoughItsTimeIsOver(t *testing.T) {
	t.Parallel()
	b := startBroker(t, stanserver.Config{})
	conn := connected(t, b.config("publisher", b.Addr()))
	over, cancel := context.WithCancel(soon(t))
	cancel()
	for range 100 { // both are true at once, and one must not win by chance
		if err := conn.Publish(over, "a b", nil); !errors.Is(err, bus.ErrChannel) {
			t.Fatalf("got %v, want ErrChannel", err)
		}
	}
}
