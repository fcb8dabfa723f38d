package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/store"
)

// Loss is what the broker's limits have removed before it was sent to the group (clause 11 of the bus
// port). It is kept until a person has made the replicas equal to their source again.
type Loss struct {
	Events uint64    `json:"events"`
	Since  time.Time `json:"since,omitzero"`
}

// watchRetention looks at the broker's books for events that were removed before they were sent. It shows
// only until the group is sent what comes after the hole, hence a look before each joining.
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
			if err := c.replica.noteLoss(ctx, lost); err != nil {
				c.log.Warn("loss not noted", "subject", string(subject), "error", err)
			}
		}
	}
}

// noteLoss remembers the largest loss seen; members that see the same one do not add it up.
func (r *Replica[T]) noteLoss(ctx context.Context, events uint64) error {
	return r.changeMark(ctx, func(m *mark) bool {
		if m.Loss.Events >= events {
			return false
		}
		if m.Loss.Events == 0 {
			m.Loss.Since = r.config.Now().UTC()
		}
		m.Loss.Events = events
		return true
	})
}

// Loss returns what is known to be lost; zero where nothing is.
func (r *Replica[T]) Loss(ctx context.Context) (Loss, error) {
	m, _, err := r.readMark(ctx)
	return m.Loss, err
}

// LossMended forgets a loss, after the replicas have been made equal to their source. Durable on return.
func (r *Replica[T]) LossMended(ctx context.Context) error {
	return r.changeMark(ctx, func(m *mark) bool {
		known := m.Loss != Loss{}
		m.Loss = Loss{}
		return known
	})
}

// changeMark writes what change makes of the mark, unless it reports that nothing is to be changed.
func (r *Replica[T]) changeMark(ctx context.Context, change func(*mark) bool) error {
	for {
		m, revision, err := r.readMark(ctx)
		if err != nil || !change(&m) {
			return err
		}
		if err := r.writeMark(ctx, m, revision); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// CheckLoss is a readiness check that tells a loss and what to do about it.
func (r *Replica[T]) CheckLoss(ctx context.Context) error {
	loss, err := r.Loss(ctx)
	if err != nil || loss.Events == 0 {
		return err
	}
	return fmt.Errorf("the broker removed %d events of %s before they were sent, noticed %s; `busctl verify --resync` mends it",
		loss.Events, r.kind.Name, loss.Since.Format(time.RFC3339))
}
