// Package lanes handles events in batches, those of different entities at the same time and those of one entity one
// after the other.
package lanes

import (
	"context"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"ticketing/pkg/replica/internal/queue"
)

// Event is what is handled.
type Event interface {
	queue.Event
	// Size is the bytes of its payload. It does not change.
	Size() int
	// Refuse gives the event back un-handled.
	Refuse(err error)
}

// Config of Lanes. All fields are required.
type Config struct {
	// Lanes is how many batches are handled at the same time.
	Lanes int
	// MaxBytes bounds the payloads that are held, waiting and in work.
	MaxBytes int64
	// Bound returns how many events the next batch may have (see queue.Queue.Take).
	Bound func() int
}

// minSize is what a small event counts, for what it takes beside its payload.
const minSize = 512

// Lanes take batches from a queue. A lane that is free takes what waits as one batch, so the batch grows with the
// backlog and an idle lane adds no delay.
type Lanes[E Event] struct {
	waiting *queue.Queue[E]
	wake    chan struct{}       // has one for each that could work, as far as there are lanes to wake
	room    *semaphore.Weighted // of most bytes
	most    int64
	held    atomic.Int64 // events, waiting and in work
	wg      sync.WaitGroup
}

// Start runs lanes until ctx ends; Wait returns when none runs any more. handle gets the events of a batch in the
// order of their entities' ids, and is done with each before it returns.
func Start[E Event](ctx context.Context, c Config, handle func(context.Context, []E)) *Lanes[E] {
	l := &Lanes[E]{
		waiting: queue.New[E](), wake: make(chan struct{}, c.Lanes), room: semaphore.NewWeighted(c.MaxBytes), most: c.MaxBytes,
	}
	for range c.Lanes {
		l.wg.Go(func() {
			for ctx.Err() == nil {
				batch, more := l.waiting.Take(c.Bound())
				if len(batch) == 0 {
					l.rest(ctx)
					continue
				}
				if more {
					l.wakeOne()
				}
				handle(ctx, batch)
				l.waiting.Release(batch)
				l.held.Add(-int64(len(batch)))
				l.room.Release(l.bytesOf(batch))
			}
		})
	}
	return l
}

// rest waits until something is put, or somebody has left something, or ctx ends. What came for the entities of a
// lane needs no wake: it looks again when it has released them.
func (l *Lanes[E]) rest(ctx context.Context) {
	select {
	case <-l.wake:
	case <-ctx.Done():
	}
}

func (l *Lanes[E]) wakeOne() {
	select {
	case l.wake <- struct{}{}:
	default: // as many as there are lanes are about to look
	}
}

// Wait returns when no lane runs any more.
func (l *Lanes[E]) Wait() { l.wg.Wait() }

// Put brings an event to the lanes. It blocks while they hold all the bytes they may, until ctx ends.
func (l *Lanes[E]) Put(ctx context.Context, e E) {
	if err := l.room.Acquire(ctx, l.sizeOf(e)); err != nil {
		e.Refuse(err)
		return
	}
	l.held.Add(1)
	l.waiting.Put(e)
	l.wakeOne()
}

// sizeOf is the room that an event takes; one that is larger takes all of it.
func (l *Lanes[E]) sizeOf(e E) int64 {
	return min(max(int64(e.Size()), minSize), l.most)
}

// InHand is how many events wait and are in work.
func (l *Lanes[E]) InHand() int { return int(l.held.Load()) }

// bytesOf is the room that a batch takes.
func (l *Lanes[E]) bytesOf(batch []E) (size int64) {
	for _, e := range batch {
		size += l.sizeOf(e)
	}
	return size
}
