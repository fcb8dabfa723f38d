package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// replayAll reads history into the present generation and notes that it is complete. It goes on beside the group,
// which brings what is newer; versions make the overlap harmless.
func (c *Consumer[T]) replayAll(ctx context.Context) error {
	if err := c.replayInto(ctx, c.lanes); err != nil {
		return err
	}
	return c.replica.setReplayed(ctx)
}

// replayInto reads every channel of the kind up to its last event of now, into the given lanes.
func (c *Consumer[T]) replayInto(ctx context.Context, into *lanes[T]) error {
	for _, subject := range c.replica.kind.Subjects {
		err := c.replay(ctx, subject, into)
		for errors.Is(err, errOtherHistory) {
			c.log.Warn("the broker has another history than before; replaying that", "subject", string(subject))
			err = c.replay(ctx, subject, into)
		}
		if err != nil {
			return fmt.Errorf("replay %s: %w", subject, err)
		}
	}
	return nil
}

// errOtherHistory: the channel ends before where it ended when the replay began. The broker's disk is new.
var errOtherHistory = errors.New("the channel has lost its end")

// replay reads one channel from its first event to its last, and returns once each of them is settled or gone at the
// broker. An event that is sent and not settled comes again after AckWait, whatever the reason.
func (c *Consumer[T]) replay(ctx context.Context, subject event.Subject, into *lanes[T]) error {
	channel, err := c.bus.Channel(ctx, string(subject))
	if err != nil || channel.LastSeq == 0 || channel.FirstSeq > channel.LastSeq { // nothing, or nothing any more
		return err
	}
	c.log.Info("replaying history", "subject", string(subject), "from", channel.FirstSeq, "to", channel.LastSeq)
	progress := newProgress(channel.FirstSeq, channel.LastSeq)
	take := c.handler(subject, into)
	member, err := c.bus.Subscribe(ctx, bus.Subscription{
		Channel: string(subject), Start: bus.FromOldest, AckWait: c.config.AckWait, MaxInflight: c.replayInflight(channel),
	}, func(ctx context.Context, m bus.Message, settle bus.Settle) {
		if m.Sequence > channel.LastSeq {
			settle(nil) // newer than the replay: the group brings it
			return
		}
		take(ctx, m, func(err error) {
			settle(err)
			if err == nil {
				progress.settle(m.Sequence)
			}
		})
	})
	if err != nil {
		return err
	}
	defer c.leave(ctx, subject, member)
	return c.awaitReplay(ctx, channel, progress)
}

// replayInflight is how many events of a channel a replay holds at once: no more than the lanes have room for by their
// mean size, because what waits in the client beyond that is dropped, and comes again only after AckWait.
func (c *Consumer[T]) replayInflight(channel bus.Channel) int {
	mean := max(channel.Bytes/max(channel.Messages, 1), 1)
	fits := min(uint64(c.config.MaxHeldBytes)/mean, uint64(c.config.MaxInflight))
	return max(int(fits), min(leastWindow, c.config.MaxInflight))
}

// awaitReplay waits until the replay is complete. It watches both ends of the channel meanwhile, because the broker
// may remove events before they are sent.
func (c *Consumer[T]) awaitReplay(ctx context.Context, begun bus.Channel, progress *progress) error {
	look := time.NewTicker(c.config.LookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-progress.complete:
			return nil
		case <-look.C:
		}
		channel, err := c.bus.Channel(ctx, begun.Name)
		if err != nil {
			c.log.Debug("the end of a replay cannot be watched", "subject", begun.Name, "error", err)
			continue
		}
		if channel.LastSeq < begun.LastSeq {
			return errOtherHistory
		}
		progress.gone(channel.FirstSeq)
	}
}

// progress is a coverage that several goroutines count in. complete is closed once nothing is missing.
type progress struct {
	complete chan struct{}

	mu      sync.Mutex
	covered *coverage
}

func newProgress(first, last uint64) *progress {
	return &progress{complete: make(chan struct{}), covered: newCoverage(first, last)}
}

func (p *progress) settle(sequence uint64) {
	p.count(func(c *coverage) { c.settle(sequence) })
}

func (p *progress) gone(first uint64) {
	p.count(func(c *coverage) { c.gone(first) })
}

func (p *progress) count(change func(*coverage)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.covered.complete()
	change(p.covered)
	if !before && p.covered.complete() {
		close(p.complete)
	}
}
