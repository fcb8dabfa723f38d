package lanes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
)

// parcel is an event with a payload of some size.
type parcel struct {
	id      event.ID
	name    string
	size    int
	refused chan error
}

func (p *parcel) Entity() event.ID { return p.id }
func (p *parcel) Size() int        { return p.size }
func (p *parcel) Refuse(err error) { p.refused <- err }

func ofSize(size int) *parcel {
	return &parcel{id: event.NewID(time.Now()), size: size, refused: make(chan error, 1)}
}

// However large the events, what the lanes hold stays below a bound, and goes on when there is room again.
func TestLanesHoldABoundedNumberOfBytes(t *testing.T) {
	const size, most = 1000, 3000
	ctx, cancel := context.WithCancel(t.Context())
	// given a store so slow that nothing is handled, and lanes that hold all they may
	open := make(chan struct{})
	handled := make(chan int, most/size+1)
	l := Start(ctx, Config{Lanes: 4, MaxBytes: most, Bound: unbounded}, func(_ context.Context, batch []*parcel) {
		<-open
		for _, p := range batch {
			handled <- p.size
		}
	})
	defer func() { cancel(); l.Wait() }()
	for range most / size {
		l.Put(ctx, ofSize(size))
	}
	if got := l.InHand(); got != most/size {
		t.Errorf("%d events in hand, want %d", got, most/size)
	}

	// when one more comes, then it is not taken for as long as somebody waits for it,
	late, over := context.WithCancel(ctx)
	over()
	more := ofSize(size)
	l.Put(late, more)
	if err := <-more.refused; !errors.Is(err, context.Canceled) {
		t.Errorf("one more event was refused with %v, want that the time is over", err)
	}
	// and once the store is back there is room for it.
	close(open)
	l.Put(ctx, ofSize(size))
	for range most/size + 1 {
		<-handled
	}
}

// An event larger than all the room goes alone.
func TestLanesTakeAnEventLargerThanTheirRoom(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	handled := make(chan int, 2)
	const most = 2 * minSize
	l := Start(ctx, Config{Lanes: 1, MaxBytes: most, Bound: unbounded}, func(_ context.Context, batch []*parcel) {
		for _, p := range batch {
			handled <- p.size
		}
	})
	defer func() { cancel(); l.Wait() }()
	l.Put(ctx, ofSize(most+1))
	l.Put(ctx, ofSize(1))
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
	size := func() int { return int(bound.Load()) }
	l := Start(ctx, Config{Lanes: 2, MaxBytes: 32 << 20, Bound: size}, func(_ context.Context, batch []*parcel) {
		var names []string
		for _, p := range batch {
			names = append(names, p.name)
		}
		began <- names
		<-finish[string(batch[0].id)]
	})
	defer func() { cancel(); l.Wait() }()
	put := func(id event.ID, sequence uint64) {
		l.Put(ctx, &parcel{id: id, name: fmt.Sprint(id, ":", sequence)})
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
