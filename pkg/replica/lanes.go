package replica

import (
	"context"
	"hash/maphash"
	"sync"

	"ticketing/pkg/event"
)

// maxBatch bounds how many events one write may carry, which bounds how long the first waits for the last.
const maxBatch = 4096

// lanes keeps the events of one entity one after the other and lets those of different entities go at
// the same time: an entity always falls into the same lane. A lane takes whatever waits as one batch,
// so the batch grows with the backlog and an idle lane adds no delay.
type lanes[T any] struct {
	seed   maphash.Seed
	queues []chan *delivery[T]
	wg     sync.WaitGroup
}

// startLanes runs n lanes until ctx ends; wait returns when none runs any more.
func startLanes[T any](ctx context.Context, n int, handle func(context.Context, []*delivery[T])) *lanes[T] {
	l := &lanes[T]{seed: maphash.MakeSeed(), queues: make([]chan *delivery[T], n)}
	for i := range l.queues {
		queue := make(chan *delivery[T], maxBatch)
		l.queues[i] = queue
		l.wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case first := <-queue:
					handle(ctx, gather(first, queue))
				}
			}
		})
	}
	return l
}

func (l *lanes[T]) wait() { l.wg.Wait() }

// put brings a delivery to its lane. It blocks while the lane is full, until ctx ends.
func (l *lanes[T]) put(ctx context.Context, d *delivery[T]) {
	select {
	case l.queues[l.of(d.change.ID)] <- d:
	case <-ctx.Done():
		d.settle(ctx.Err())
	}
}

func (l *lanes[T]) of(id event.ID) uint64 {
	return maphash.String(l.seed, string(id)) % uint64(len(l.queues))
}

// gather takes what waits in the queue without waiting for more.
func gather[T any](first *delivery[T], queue <-chan *delivery[T]) []*delivery[T] {
	batch := []*delivery[T]{first}
	for len(batch) < maxBatch {
		select {
		case d := <-queue:
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}
