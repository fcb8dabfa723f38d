package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/bus"
)

// Loss is what the broker's limits have removed before it was sent to the group (docs/contract.md, The bus port, 11).
// It is kept until a person has made the replicas equal to their source again.
type Loss struct {
	Events uint64    `json:"events"`
	Since  time.Time `json:"since,omitzero"`
}

// ErrMoreLost: events were lost since the loss that is said to be mended.
var ErrMoreLost = errors.New("more events were lost meanwhile")

// watchRetention looks at the broker's books for events that were removed before they were sent. It shows only until
// the group is sent what comes after the hole, hence a look before each joining.
func (c *Consumer[T]) watchRetention(ctx context.Context) {
	for _, subject := range c.replica.kind.Subjects {
		channel, err := c.bus.Channel(ctx, string(subject))
		if err != nil {
			c.log.Debug("retention cannot be watched", "subject", string(subject), "error", err)
			continue
		}
		for _, durable := range channel.Durables {
			lost := channel.Lost(durable)
			if durable.Group != c.config.Group || lost == 0 {
				continue
			}
			c.log.Warn("the broker has removed events before they were sent", "subject", string(subject),
				"events", lost, "first", channel.FirstSeq, "sent", durable.LastSent)
			if err := c.replica.noteLoss(ctx, channel, durable); err != nil {
				c.log.Warn("loss not noted", "subject", string(subject), "error", err)
			}
		}
	}
}

// noteLoss adds the events of a hole that are not counted yet: every member that sees the hole calls it.
func (r *Replica[T]) noteLoss(ctx context.Context, channel bus.Channel, durable bus.Durable) error {
	return r.changeMark(ctx, func(m *mark) bool {
		gone := m.Gone[channel.Name]
		if gone > channel.LastSeq {
			gone = 0 // the broker's disk is new, and its sequences begin again
		}
		from, to := max(durable.LastSent, gone), channel.FirstSeq-1
		if to <= from {
			return false
		}
		if m.Loss.Events == 0 {
			m.Loss.Since = r.config.Now().UTC()
		}
		m.Loss.Events += to - from
		if m.Gone == nil {
			m.Gone = map[string]uint64{}
		}
		m.Gone[channel.Name] = to
		return true
	})
}

// Loss returns what is known to be lost; zero if nothing is.
func (r *Replica[T]) Loss(ctx context.Context) (Loss, error) {
	m, _, err := r.readMark(ctx)
	return m.Loss, err
}

// LossMended forgets a loss, after the replicas have been made equal to their source. mended is the loss that was
// known before that began; ErrMoreLost if it has grown since. Durable on return.
func (r *Replica[T]) LossMended(ctx context.Context, mended Loss) error {
	var more error
	err := r.changeMark(ctx, func(m *mark) bool {
		known := m.Loss.Events > 0
		more = nil
		if known && (m.Loss.Events != mended.Events || !m.Loss.Since.Equal(mended.Since)) {
			more = fmt.Errorf("%d events of %s are lost, %d of them mended: %w", m.Loss.Events, r.kind.Name, mended.Events, ErrMoreLost)
			return false
		}
		m.Loss = Loss{}
		return known
	})
	return errors.Join(err, more)
}

// CheckLoss is a readiness check that reports a loss and what to do about it.
func (r *Replica[T]) CheckLoss(ctx context.Context) error {
	loss, err := r.Loss(ctx)
	if err != nil || loss.Events == 0 {
		return err
	}
	return fmt.Errorf("the broker removed %d events of %s before they were sent, noticed %s; `busctl verify --resync` mends it",
		loss.Events, r.kind.Name, loss.Since.Format(time.RFC3339))
}
