package replica

import (
	"context"
	"fmt"
	"sync"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// replayAll reads history into the present generation and notes that it is complete. It goes on beside
// the group, which brings what is newer; versions make the overlap harmless.
func (c *Consumer[T]) replayAll(ctx context.Context) error {
	if err := c.replayInto(ctx, c.lanes); err != nil {
		return err
	}
	return c.replica.setReplayed(ctx)
}

// replayInto reads every channel of the kind up to its last event of now, into the given lanes.
func (c *Consumer[T]) replayInto(ctx context.Context, into *lanes[T]) error {
	for _, subject := range c.replica.kind.Subjects {
		if err := c.replay(ctx, subject, into); err != nil {
			return fmt.Errorf("replay %s: %w", subject, err)
		}
	}
	return nil
}

func (c *Consumer[T]) replay(ctx context.Context, subject event.Subject, into *lanes[T]) error {
	channel, err := c.bus.Channel(ctx, string(subject))
	if err != nil || channel.LastSeq == 0 || channel.FirstSeq > channel.LastSeq { // nothing, or nothing any more
		return err
	}
	c.log.Info("replaying history", "subject", string(subject), "from", channel.FirstSeq, "to", channel.LastSeq)
	progress := newProgress(channel.LastSeq)
	take := c.handler(subject, into)
	member, err := c.bus.Subscribe(ctx, bus.Subscription{
		Channel: string(subject), Start: bus.FromOldest, AckWait: c.config.AckWait, MaxInflight: c.config.MaxInflight,
	}, func(ctx context.Context, m bus.Message, settle bus.Settle) {
		if !progress.taken(m.Sequence) {
			settle(nil) // newer than the replay: the group brings it
			return
		}
		take(ctx, m, func(err error) {
			settle(err)
			if err == nil {
				progress.finished(m.Sequence)
			}
		})
	})
	if err != nil {
		return err
	}
	defer c.leave(ctx, subject, member)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-progress.done:
		return nil
	}
}

// progress follows a replay: done is closed when the last event was taken and none is unfinished.
type progress struct {
	last uint64
	done chan struct{}

	mu      sync.Mutex
	open    map[uint64]bool // taken and not finished
	reached bool            // the last event, or a newer one, has been taken
	closed  bool
}

func newProgress(last uint64) *progress {
	return &progress{last: last, done: make(chan struct{}), open: map[uint64]bool{}}
}

// taken notes a delivery and reports whether it belongs to the replay.
func (p *progress) taken(sequence uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reached = p.reached || sequence >= p.last
	if sequence <= p.last {
		p.open[sequence] = true
	}
	p.check()
	return sequence <= p.last
}

func (p *progress) finished(sequence uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.open, sequence)
	p.check()
}

func (p *progress) check() {
	if p.reached && len(p.open) == 0 && !p.closed {
		p.closed = true
		close(p.done)
	}
}
