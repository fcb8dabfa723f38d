package replica

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/replica/internal/coverage"
	"ticketing/pkg/replica/internal/lanes"
	"ticketing/pkg/replica/internal/window"
)

// replayAll reads history into the present generation and notes that it is complete. It goes on beside the group,
// which brings what is newer; versions make the overlap harmless.
func (h *historian[T]) replayAll(ctx context.Context) error {
	if err := h.replayInto(ctx, h.lanes); err != nil {
		return err
	}
	return h.replica.generations.SetReplayed(ctx)
}

// replayInto reads every channel of the kind up to its last event of now, into the given lanes.
func (h *historian[T]) replayInto(ctx context.Context, into *lanes.Lanes[*delivery[T]]) error {
	for _, subject := range h.replica.kind.Subjects {
		err := h.replay(ctx, subject, into)
		for errors.Is(err, errOtherHistory) {
			h.log.Warn("the broker has another history than before; replaying that", "subject", string(subject))
			err = h.replay(ctx, subject, into)
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
func (h *historian[T]) replay(ctx context.Context, subject event.Subject, into *lanes.Lanes[*delivery[T]]) error {
	channel, err := h.bus.Channel(ctx, string(subject))
	if err != nil || channel.LastSeq == 0 || channel.FirstSeq > channel.LastSeq { // nothing, or nothing any more
		return err
	}
	h.log.Info("replaying history", "subject", string(subject), "from", channel.FirstSeq, "to", channel.LastSeq)
	progress := newProgress(channel.FirstSeq, channel.LastSeq)
	take := h.replica.handler(subject, into)
	member, err := h.bus.Subscribe(ctx, bus.Subscription{
		Channel: string(subject), Start: bus.FromOldest, AckWait: h.config.AckWait, MaxInflight: h.replayInflight(channel),
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
	defer leave(ctx, h.config.AckWait, subject, member, h.log)
	return h.awaitReplay(ctx, channel, progress)
}

// replayInflight is how many events of a channel a replay holds at once: no more than the lanes have room for by their
// mean size, because what waits in the client beyond that is dropped, and comes again only after AckWait.
func (h *historian[T]) replayInflight(channel bus.Channel) int {
	mean := max(channel.Bytes/max(channel.Messages, 1), 1)
	fits := min(uint64(h.config.MaxHeldBytes)/mean, uint64(h.config.MaxInflight))
	return max(int(fits), min(window.Least, h.config.MaxInflight))
}

// awaitReplay waits until the replay is complete. It watches both ends of the channel meanwhile, because the broker
// may remove events before they are sent.
func (h *historian[T]) awaitReplay(ctx context.Context, begun bus.Channel, progress *progress) error {
	look := time.NewTicker(h.config.LookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-progress.complete:
			return nil
		case <-look.C:
		}
		channel, err := h.bus.Channel(ctx, begun.Name)
		if err != nil {
			h.log.Debug("the end of a replay cannot be watched", "subject", begun.Name, "error", err)
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
	covered *coverage.Coverage
}

func newProgress(first, last uint64) *progress {
	return &progress{complete: make(chan struct{}), covered: coverage.New(first, last)}
}

func (p *progress) settle(sequence uint64) {
	p.count(func(c *coverage.Coverage) { c.Settle(sequence) })
}

func (p *progress) gone(first uint64) {
	p.count(func(c *coverage.Coverage) { c.Gone(first) })
}

func (p *progress) count(change func(*coverage.Coverage)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.covered.Complete()
	change(p.covered)
	if !before && p.covered.Complete() {
		close(p.complete)
	}
}
