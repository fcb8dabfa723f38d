package replica

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/semaphore"

	"ticketing/pkg/event"
)

// maxQueue is how many events may wait in one lane.
const maxQueue = 16384

// maxBatch bounds how many events one write carries: in a large store each changes a page of its own, which the
// embedded store holds in memory until it commits.
const maxBatch = 4096

// maxReactions bounds a batch of events that are reacted to. The reactions are one write each, one after the other,
// and nothing of the batch is settled before the last; the write of the replicas that they share is small
// beside so many.
const maxReactions = 64

// maxHeld bounds the bytes of the payloads in all lanes together, waiting and in work: the broker lets an
// event have 1 MiB, and thousands of those at once would end a process of some hundred MB.
const maxHeld = 32 << 20

// lanes keeps the events of one entity one after the other and lets those of different entities go at
// the same time: an entity always falls into the same lane. A lane takes whatever waits as one batch,
// so the batch grows with the backlog and an idle lane adds no delay.
type lanes[T any] struct {
	seed   maphash.Seed
	queues []chan *delivery[T]
	room   *semaphore.Weighted // of maxHeld
	held   atomic.Int64        // events, waiting and in work
	wg     sync.WaitGroup
}

// startLanes runs n lanes until ctx ends; wait returns when none runs any more. bound is how many
// deliveries the next batch may have. handle settles every delivery of a batch before it returns.
func startLanes[T any](ctx context.Context, n int, bound func() int, handle func(context.Context, []*delivery[T])) *lanes[T] {
	l := &lanes[T]{seed: maphash.MakeSeed(), queues: make([]chan *delivery[T], n), room: semaphore.NewWeighted(maxHeld)}
	for i := range l.queues {
		queue := make(chan *delivery[T], maxQueue)
		l.queues[i] = queue
		l.wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case first := <-queue:
					batch := gather(first, queue, bound())
					handle(ctx, batch)
					l.held.Add(-int64(len(batch)))
					l.room.Release(bytesOf(batch))
				}
			}
		})
	}
	return l
}

func (l *lanes[T]) wait() { l.wg.Wait() }

// put brings a delivery to its lane. It blocks while the lane is full or the lanes hold maxHeld, until ctx ends.
func (l *lanes[T]) put(ctx context.Context, d *delivery[T]) {
	if err := l.room.Acquire(ctx, d.size()); err != nil {
		d.settle(err)
		return
	}
	l.held.Add(1)
	select {
	case l.queues[l.of(d.change.ID)] <- d:
	case <-ctx.Done():
		l.held.Add(-1)
		l.room.Release(d.size())
		d.settle(ctx.Err())
	}
}

// size is the room that a delivery takes; one over maxHeld takes all of it.
func (d *delivery[T]) size() int64 { return min(int64(len(d.message.Data)), maxHeld) }

// inHand is how many events wait and are in work.
func (l *lanes[T]) inHand() int { return int(l.held.Load()) }

// bytesOf is the room that a batch takes.
func bytesOf[T any](batch []*delivery[T]) (size int64) {
	for _, d := range batch {
		size += d.size()
	}
	return size
}

func (l *lanes[T]) of(id event.ID) uint64 {
	return maphash.String(l.seed, string(id)) % uint64(len(l.queues))
}

// gather takes what waits in the queue, up to a bound, without waiting for more.
func gather[T any](first *delivery[T], queue <-chan *delivery[T], bound int) []*delivery[T] {
	batch := []*delivery[T]{first}
	for len(batch) < bound {
		select {
		case d := <-queue:
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}
