package replica

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// parcel is a delivery with a payload of some size.
func parcel(size int, settle bus.Settle) *delivery[struct{}] {
	d := &delivery[struct{}]{message: bus.Message{Data: make([]byte, size)}, settle: settle}
	d.change.ID = event.NewID(time.Now())
	return d
}

// However large the events, what the lanes hold stays below a bound, and goes on when there is room again.
func TestLanesHoldABoundedNumberOfBytes(t *testing.T) {
	const size, most = 1000, 3000
	ctx, cancel := context.WithCancel(t.Context())
	// given a store so slow that nothing is handled, and lanes that hold all they may
	open := make(chan struct{})
	settled := make(chan error, most/size+2)
	settle := func(err error) { settled <- err }
	l := startLanes(ctx, 4, most, unbounded, func(_ context.Context, batch []*delivery[struct{}]) {
		<-open
		for _, d := range batch {
			d.settle(nil)
		}
	})
	defer func() { cancel(); l.wait() }()
	for range most / size {
		l.put(ctx, parcel(size, settle))
	}

	// when one more comes, then it is not taken for as long as somebody waits for it,
	short, done := context.WithTimeout(ctx, 50*time.Millisecond)
	defer done()
	l.put(short, parcel(size, settle))
	if err := <-settled; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("one more event was settled with %v, want that the time is over", err)
	}
	// and once the store is back there is room for it.
	close(open)
	l.put(ctx, parcel(size, settle))
	for range most/size + 1 {
		if err := <-settled; err != nil {
			t.Errorf("settled with %v", err)
		}
	}
}

// An event larger than all the room goes alone.
func TestLanesTakeAnEventLargerThanTheirRoom(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	handled := make(chan int, 2)
	const most = 2 * minSize
	l := startLanes(ctx, 1, most, unbounded, func(_ context.Context, batch []*delivery[struct{}]) {
		for _, d := range batch {
			handled <- len(d.message.Data)
		}
	})
	defer func() { cancel(); l.wait() }()
	l.put(ctx, parcel(most+1, func(error) {}))
	l.put(ctx, parcel(1, func(error) {}))
	if first, second := <-handled, <-handled; first != most+1 || second != 1 {
		t.Errorf("handled %d, then %d bytes", first, second)
	}
}

// unbounded lets a batch have all that waits.
func unbounded() int { return 1 << 20 }

// What came for the entities of one lane is not left to that lane alone when it has released them.
func TestALaneLeavesToOthersWhatItDoesNotTake(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var bound atomic.Int64
	bound.Store(2)
	began := make(chan []string, 10)
	finish := map[string]chan struct{}{"a": make(chan struct{}), "b": make(chan struct{}), "x": make(chan struct{}), "y": make(chan struct{})}
	l := startLanes(ctx, 2, 32<<20, func() int { return int(bound.Load()) }, func(_ context.Context, batch []*delivery[struct{}]) {
		began <- names(batch)
		<-finish[string(batch[0].change.ID)]
		for _, d := range batch {
			d.settle(nil)
		}
	})
	defer func() { cancel(); l.wait() }()
	put := func(id event.ID, sequence uint64) {
		d := ticketed(id, sequence)
		d.settle = func(error) {}
		l.put(ctx, d)
	}
	awaits := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, <-began); diff != "" {
			t.Errorf("handled (-want +got):\n%s", diff)
		}
	}
	// given two lanes at work, of which one then takes x and y together
	put("a", 0)
	awaits("a:0")
	put("b", 0)
	awaits("b:0")
	put("x", 1)
	put("y", 1)
	close(finish["a"])
	awaits("x:1", "y:1")
	// and events that come for both while the other has nothing to do
	put("x", 2)
	put("y", 2)
	close(finish["b"])
	// when the lane is done with the first two and takes one of the others alone, then the other lane takes the rest
	bound.Store(1)
	finish["x"] <- struct{}{}
	one, other := <-began, <-began // without an end of either
	if got := append(one, other...); !slices.Contains(got, "x:2") || !slices.Contains(got, "y:2") {
		t.Errorf("handled %q and %q, want x:2 and y:2", one, other)
	}
	close(finish["x"])
	close(finish["y"])
}
