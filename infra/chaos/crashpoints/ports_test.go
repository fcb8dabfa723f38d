package crashpoints

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"ticketing/pkg/bus"
	"ticketing/pkg/store"
	"ticketing/services/payments"
)

// trappedDatabase is a store whose writes pass the trap's points.
type trappedDatabase struct {
	store.Database
	trap *trap
}

func (d trappedDatabase) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	inner, err := d.Database.Collection(ctx, spec)
	return trappedCollection{inner, spec.Name, d.trap}, err
}

type trappedCollection struct {
	store.Collection
	name string
	trap *trap
}

func (c trappedCollection) Put(ctx context.Context, w store.Write) error {
	if c.name == "replica-marks" {
		c.trap.pass(beforeTheMark)
	} else {
		c.trap.passSoon(inTheCommit)
	}
	return c.Collection.Put(ctx, w)
}

// PutMany is how replicas are written.
func (c trappedCollection) PutMany(ctx context.Context, ws []store.Write) error {
	if !strings.Contains(c.name, "-replica-") {
		if c.name == payments.Collection && slices.ContainsFunc(ws, isCharged) {
			c.trap.pass(chargedNotNoted)
		}
		return c.Collection.PutMany(ctx, ws)
	}
	c.trap.pass(reactedNotApplied)
	c.trap.passSoon(inTheCommit)
	if c.trap.waits(halfOfTheBatch) {
		half := len(ws) / 2
		if half == 0 {
			c.trap.hand.grow(ctx) // the lane's next batch is what comes meanwhile
		}
		if half > 0 && c.trap.reached(halfOfTheBatch) {
			// Of a batch each record is written atomically, and the batch is not: this much of it may be there.
			if err := c.Collection.PutMany(ctx, ws[:half]); err != nil {
				return err
			}
			die()
		}
	}
	return c.Collection.PutMany(ctx, ws)
}

// isCharged reports that a payment's charge is noted.
func isCharged(w store.Write) bool {
	return bytes.Contains(w.State, fmt.Appendf(nil, "%q:%q", "status", payments.Charged))
}

func (c trappedCollection) Forget(ctx context.Context, sent []store.Sent) error {
	c.trap.pass(publishedNotForgotten)
	return c.Collection.Forget(ctx, sent)
}

// trappedBus is a connection to the bus whose publishes and acks pass the trap's points.
type trappedBus struct {
	bus.Conn
	trap *trap
	// acksEarly is a planted bug: an event is acknowledged before it is handled.
	acksEarly bool
}

func (b trappedBus) Send(ctx context.Context, channel string, data []byte, answered func(error)) {
	b.trap.pass(storedNotPublished)
	b.Conn.Send(ctx, channel, data, func(err error) {
		if err == nil {
			b.trap.pass(publishedNotNoted)
		}
		answered(err)
	})
}

func (b trappedBus) Subscribe(ctx context.Context, s bus.Subscription, h bus.Handler) (bus.Member, error) {
	return b.Conn.Subscribe(ctx, s, func(ctx context.Context, m bus.Message, settle bus.Settle) {
		b.trap.hand.took()
		if b.acksEarly {
			settle(nil)
		}
		h(ctx, m, func(err error) {
			b.trap.hand.gave()
			if err == nil {
				b.trap.pass(appliedNotAcked)
			}
			settle(err)
		})
	})
}
