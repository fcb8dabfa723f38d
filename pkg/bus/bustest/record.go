package bustest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/bus"
)

// record is what one or several members were given, in the order they were given it.
type record struct {
	mu      sync.Mutex
	got     []delivery
	changed chan struct{}
}

// delivery is one message and what is needed to settle it later.
type delivery struct {
	bus.Message
	member string
	at     time.Time
	ctx    context.Context
	settle bus.Settle
}

func newRecord() *record {
	return &record{changed: make(chan struct{})}
}

func (r *record) add(d delivery) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, d)
	close(r.changed)
	r.changed = make(chan struct{})
}

// acks is a handler that notes every message under the member's name and acks it.
func (r *record) acks(member string) bus.Handler {
	return r.answers(member, func(bus.Message) error { return nil })
}

// answers is a handler that notes every message and settles it with what answer returns.
func (r *record) answers(member string, answer func(bus.Message) error) bus.Handler {
	return func(ctx context.Context, m bus.Message, settle bus.Settle) {
		r.add(delivery{Message: m, member: member, at: time.Now(), ctx: ctx, settle: settle})
		settle(answer(m))
	}
}

// keeps is a handler that notes every message and leaves it to the test to settle it.
func (r *record) keeps(member string) bus.Handler {
	return func(ctx context.Context, m bus.Message, settle bus.Settle) {
		r.add(delivery{Message: m, member: member, at: time.Now(), ctx: ctx, settle: settle})
	}
}

// await waits until ok holds for everything noted, and returns it.
func (r *record) await(t *testing.T, what string, ok func([]delivery) bool) []delivery {
	t.Helper()
	deadline := time.After(patience)
	for {
		r.mu.Lock()
		got, changed := slices.Clone(r.got), r.changed
		r.mu.Unlock()
		if ok(got) {
			return got
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("never saw %s; got %v", what, payloads(got))
		}
	}
}

// awaitCount waits for n deliveries.
func (r *record) awaitCount(t *testing.T, n int) []delivery {
	t.Helper()
	return r.await(t, fmt.Sprintf("%d deliveries", n), func(got []delivery) bool { return len(got) >= n })
}

// awaitAll waits until every payload from..to has come at least once.
func (r *record) awaitAll(t *testing.T, from, to int) []delivery {
	t.Helper()
	return r.await(t, fmt.Sprintf("all of %d..%d", from, to), func(got []delivery) bool {
		seen := make(map[string]bool, len(got))
		for _, d := range got {
			seen[string(d.Data)] = true
		}
		for i := from; i <= to; i++ {
			if !seen[fmt.Sprint(i)] {
				return false
			}
		}
		return true
	})
}

func (r *record) all() []delivery {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func payloads(got []delivery) []string {
	var out []string
	for _, d := range got {
		out = append(out, string(d.Data))
	}
	return out
}
