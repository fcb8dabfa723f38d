package replica

import (
	"context"
	"fmt"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// stayJoined is a member of the group until ctx ends. It closes joined once it is for the first time. NATS Streaming
// fixes MaxInflight when a member joins, so if the window gets another size the member leaves and joins again: it
// finishes and acknowledges what it has, and readers are served meanwhile, so it stays ready. The broker sends what it
// had sent and was not taken yet again at once, to whoever is in the group.
func (c *Consumer[T]) stayJoined(ctx context.Context, joined chan<- struct{}) error {
	for first := true; ctx.Err() == nil; first = false {
		err := c.stay(ctx, func() {
			if first {
				close(joined)
			}
			select {
			case <-ctx.Done():
			case <-c.resized:
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stay joins the group on every channel, does what is to be done meanwhile, and leaves.
func (c *Consumer[T]) stay(ctx context.Context, meanwhile func()) error {
	size := c.joinWith()
	for _, subject := range c.replica.kind.Subjects {
		member, err := c.bus.Subscribe(ctx, bus.Subscription{
			Channel: string(subject), Group: c.config.Group, Durable: c.config.Group,
			AckWait: c.config.AckWait, MaxInflight: size,
		}, c.handler(subject, c.lanes))
		if err != nil {
			return fmt.Errorf("join %s on %s: %w", c.config.Group, subject, err)
		}
		defer c.leave(ctx, subject, member)
	}
	meanwhile()
	return nil
}

// joinWith returns the size that the window has now, and lets the window judge it from now on.
func (c *Consumer[T]) joinWith() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.resized: // that is done herewith
	default:
	}
	c.window.joined(c.replica.config.Now())
	return c.window.size
}

// leave finishes what was taken and leaves the group; the durable stays. It takes the time it needs, but when
// ctx ends no more than another AckWait.
func (c *Consumer[T]) leave(ctx context.Context, subject event.Subject, member bus.Member) {
	ctx, cancel := outlive(ctx, c.config.AckWait)
	defer cancel()
	if err := member.Close(ctx); err != nil {
		c.log.Warn("left with events unfinished; they are delivered again", "subject", string(subject), "error", err)
	}
}

// outlive returns a context that ends that long after parent has ended.
func outlive(parent context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		select {
		case <-time.After(after):
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); cancel() }
}

// batchBound is how many events one batch may have: those of a batch wait for each other, so no more than the window.
func (c *Consumer[T]) batchBound() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return min(c.window.size, c.config.MaxBatch)
}

// learn tells the window of a batch that was settled.
func (c *Consumer[T]) learn(b settledBatch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.window.size
	if !c.window.settled(b) {
		return
	}
	log, why := c.log.Info, "takes more events at once: the store is quick enough"
	if c.window.size < before {
		log, why = c.log.Warn, "takes fewer events at once: the store is too slow"
	}
	log(why, "kind", c.replica.kind.Name, "group", c.config.Group, "from", before, "to", c.window.size,
		"age", b.at.Sub(b.taken), "ackWait", c.config.AckWait)
	c.resized <- struct{}{} // has room: the window changes once between two joins
}
