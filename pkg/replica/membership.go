package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/replica/internal/window"
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
		}, c.replica.handler(subject, c.lanes))
		if err != nil {
			return fmt.Errorf("join %s on %s: %w", c.config.Group, subject, err)
		}
		defer leave(ctx, c.config.AckWait, subject, member, c.log)
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
	c.window.Joined(c.replica.config.Now())
	return c.window.Size()
}

// leave finishes what was taken and leaves the channel; a durable stays. It takes the time it needs, but when ctx ends
// no more than another AckWait.
func leave(ctx context.Context, ackWait time.Duration, subject event.Subject, member bus.Member, log *slog.Logger) {
	ctx, cancel := outlive(ctx, ackWait)
	defer cancel()
	if err := member.Close(ctx); err != nil {
		log.Warn("left with events unfinished; they are delivered again", "subject", string(subject), "error", err)
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
	return min(c.window.Size(), c.config.MaxBatch)
}

// learn lets the window learn from a batch that was settled.
func (c *Consumer[T]) learn(b window.Batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.window.Size()
	if !c.window.Settled(b) {
		return
	}
	log, why := c.log.Info, "takes more events at once: the store is quick enough"
	if c.window.Size() < before {
		log, why = c.log.Warn, "takes fewer events at once: the store is too slow"
	}
	log(why, "kind", c.replica.kind.Name, "group", c.config.Group, "from", before, "to", c.window.Size(),
		"age", b.At.Sub(b.Taken), "ackWait", c.config.AckWait)
	c.resized <- struct{}{} // has room: the window changes once between two joins
}

// needsReplay reports whether history has to be read again: the store has never done so, and the group has a position
// already, so the broker would send it only what comes after that. That is so if the store was lost, or if the service
// takes over the durable of another implementation.
func (c *Consumer[T]) needsReplay(ctx context.Context) (bool, error) {
	c.setState(errors.New("asking the store whether history has been replayed"))
	m, err := c.replica.generations.Read(ctx)
	if err != nil || m.Replayed {
		return false, err
	}
	c.setState(errors.New("waiting for the bus, to see whether history has to be replayed"))
	if err := c.bus.Connected(ctx); err != nil {
		return false, err
	}
	for _, subject := range c.replica.kind.Subjects {
		channel, err := c.bus.Channel(ctx, string(subject))
		if err != nil {
			return false, fmt.Errorf("look at %s: %w", subject, err)
		}
		for _, durable := range channel.Durables {
			if durable.Group == c.config.Group {
				return true, nil
			}
		}
	}
	// A new group is sent everything from the beginning, which is the replay.
	return false, c.replica.generations.SetReplayed(ctx, m.Generation)
}
