package outbox_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/bus"
)

// scriptedPublisher stands in for a broker that fails on cue, which a real one cannot be made to do. What the real
// one promises is tested by bustest.
type scriptedPublisher struct {
	mu      sync.Mutex
	stored  []string            // what the broker has, in order of arrival
	outcome func(n int) outcome // of the nth call, from 0; nil means all are stored
	calls   int
	changed chan struct{} // closed and replaced at each call

	// refuses returns the error for an event that the broker never takes, else nil.
	refuses  func(data string) error
	refusals int
	// answer is how an answer is brought; nil brings it before Send returns.
	answer func(bring func())
}

type outcome int

const (
	stored        outcome = iota
	refused               // not stored, and said so
	storedUnknown         // stored, but the answer got lost
)

var errNoAnswer = fmt.Errorf("%w: no answer", bus.ErrUnavailable)

// Send implements bus.Sender.
func (p *scriptedPublisher) Send(_ context.Context, _ string, data []byte, answered func(error)) {
	err := p.take(data)
	if p.answer == nil {
		answered(err)
		return
	}
	p.answer(func() { answered(err) })
}

func (p *scriptedPublisher) take(data []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	result := stored
	if p.outcome != nil {
		result = p.outcome(p.calls)
	}
	failure := errNoAnswer
	if p.refuses != nil {
		if err := p.refuses(string(data)); err != nil {
			failure, result = err, refused
			p.refusals++
		}
	}
	p.calls++
	if result != refused {
		p.stored = append(p.stored, string(data))
	}
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
	if result != stored {
		return failure
	}
	return nil
}

// refused counts the events that were refused.
func (p *scriptedPublisher) refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.refusals
}

// until waits until what the broker has satisfies done.
func (p *scriptedPublisher) until(t testing.TB, done func(stored []string, calls int) bool) []string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		p.mu.Lock()
		snapshot, calls := append([]string(nil), p.stored...), p.calls
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		if done(snapshot, calls) {
			return snapshot
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("after 30 s the broker has %d events in %d calls: %.500q", len(snapshot), calls, snapshot)
		}
	}
}

// ofBad returns a rule for scriptedPublisher.refuses: err for the events of entities whose id begins with "bad".
func ofBad(err error) func(string) error {
	return func(data string) error {
		if strings.HasPrefix(data, "bad") {
			return err
		}
		return nil
	}
}

func has(n int) func([]string, int) bool {
	return func(stored []string, _ int) bool { return len(stored) >= n }
}
