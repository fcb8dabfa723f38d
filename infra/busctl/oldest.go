package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/bus"
)

var (
	errRemoved   = errors.New("limits have removed the oldest events")
	errOnlyFirst = errors.New("not acked: only the first event is looked at")
)

// notAgain is an AckWait after which nobody listens any more.
const notAgain = 10 * time.Minute

// oldestEvent returns when the oldest event of all channels was stored, or zero if there is none. That is when the log
// was last empty. Each channel sends its first event to a plain subscription, which leaves nothing behind. It returns
// errRemoved if an event before the first is missing: then the log was once larger than it seems. It takes at most b.Wait
// to connect, and as long again to ask.
func (b broker) oldestEvent(ctx context.Context, channels []bus.Channel) (oldest time.Time, err error) {
	for _, c := range channels {
		if c.FirstSeq > 1 {
			return time.Time{}, errRemoved
		}
	}
	conn, err := b.connect(ctx)
	if err != nil {
		return time.Time{}, err
	}
	defer leave(ctx, conn)
	ctx, cancel := context.WithTimeout(ctx, b.Wait)
	defer cancel()
	for _, c := range channels {
		if c.Messages == 0 {
			continue
		}
		first, err := firstEvent(ctx, conn, c.Name)
		if err != nil {
			return time.Time{}, fmt.Errorf("look at the first event of %s: %w", c.Name, err)
		}
		if oldest.IsZero() || first.Before(oldest) {
			oldest = first
		}
	}
	return oldest, nil
}

// firstEvent returns when the channel's first event was stored. The channel must have one.
func firstEvent(ctx context.Context, from bus.Subscriber, channel string) (time.Time, error) {
	stored := make(chan time.Time, 1)
	// One in flight and none acked, so that one is all that is sent.
	member, err := from.Subscribe(ctx, bus.Subscription{
		Channel: channel, Start: bus.FromOldest, MaxInflight: 1, AckWait: notAgain,
	}, func(_ context.Context, m bus.Message, settle bus.Settle) {
		select {
		case stored <- m.Time:
		default:
		}
		settle(errOnlyFirst)
	})
	if err != nil {
		return time.Time{}, err
	}
	var first time.Time
	select {
	case first = <-stored:
	case <-ctx.Done():
		err = ctx.Err()
	}
	return first, errors.Join(err, member.Close(ctx))
}
