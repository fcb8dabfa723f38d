package replica

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"
)

// minSize is what a small event counts, for what it takes beside its payload.
const minSize = 512

// lanes handle the events of different entities at the same time, and those of one entity one after the other. A
// lane that is free takes what waits in the queue as one batch, so the batch grows with the backlog and an idle
// lane adds no delay.
type lanes[T any] struct {
	waiting *queue[T]
	wake    chan struct{}       // has one for each that could work, as far as there are lanes to wake
	room    *semaphore.Weighted // of most bytes
	most    int64
	held    atomic.Int64 // events, waiting and in work
	wg      sync.WaitGroup
}

// startLanes runs n lanes, which hold at most that many bytes of payload, until ctx ends; wait returns when none runs
// any more. bound is how many deliveries the next batch may have (see queue.take). handle gets them in the order of
// their entities' ids, and settles every delivery of a batch before it returns.
func startLanes[T any](ctx context.Context, n int, most int64, bound func() int, handle func(context.Context, []*delivery[T])) *lanes[T] {
	l := &lanes[T]{waiting: newQueue[T](), wake: make(chan struct{}, n), room: semaphore.NewWeighted(most), most: most}
	for range n {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				batch, more := l.waiting.take(bound())
				if len(batch) == 0 {
					l.rest(ctx)
					continue
				}
				if more {
					l.wakeOne()
				}
				handle(ctx, batch)
				l.waiting.release(batch)
				l.held.Add(-int64(len(batch)))
				l.room.Release(l.bytesOf(batch))
			}
		})
	}
	return l
}

// rest waits until something is put, or somebody has left something, or ctx ends. What came for the entities of a
// lane needs no wake: it looks again when it has released them.
func (l *lanes[T]) rest(ctx context.Context) {
	select {
	case <-l.wake:
	case <-ctx.Done():
	}
}

func (l *lanes[T]) wakeOne() {
	select {
	case l.wake <- struct{}{}:
	default: // as many as there are lanes are about to look
	}
}

func (l *lanes[T]) wait() { l.wg.Wait() }

// put brings a delivery to the lanes. It blocks while they hold all the bytes they may, until ctx ends.
func (l *lanes[T]) put(ctx context.Context, d *delivery[T]) {
	if err := l.room.Acquire(ctx, l.sizeOf(d)); err != nil {
		d.settle(err)
		return
	}
	l.held.Add(1)
	l.waiting.put(d)
	l.wakeOne()
}

// sizeOf is the room that a delivery takes; one that is larger takes all of it.
func (l *lanes[T]) sizeOf(d *delivery[T]) int64 {
	return min(max(int64(len(d.message.Data)), minSize), l.most)
}

// inHand is how many events wait and are in work.
func (l *lanes[T]) inHand() int { return int(l.held.Load()) }

// bytesOf is the room that a batch takes.
func (l *lanes[T]) bytesOf(batch []*delivery[T]) (size int64) {
	for _, d := range batch {
		size += l.sizeOf(d)
	}
	return size
}
