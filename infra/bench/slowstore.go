package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
	"ticketing/services/orders"
)

// slowStore is how many events come again while a member of orders drains a backlog into a slow store. The
// broker sends an event again that was not acknowledged within AckWait, whether it waits for the store or
// in the client; so none comes again only if what is sent is bounded by what the store takes in that time.
// A copy costs a slow store the most.
//
// The store takes longer with every write and with every record: about a thousand records a second, at which
// the most that a member may have in flight would take longer than AckWait. So does the whole run, which the
// second row tells: in a shorter one no event could come again.
func slowStore(s sizes) measurement {
	return measurement{
		name: "slow store",
		rows: []row{
			{name: fmt.Sprintf("slow store, %s events, those that came again", amount(s.slow)), unit: "events", target: valueAtMost(0), most: true},
			{name: fmt.Sprintf("slow store, %s events, time to drain", amount(s.slow)), unit: "ms"},
		},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			b, err := fillBacklog(ctx, env, s.slow, (s.slow+1)/2)
			if err != nil {
				return nil, nil, err
			}
			return b.drainIntoSlowStore, nil, nil
		},
	}
}

// drainIntoSlowStore returns how many copies the broker has sent, and how long it took until each event was
// acked.
func (b *backlog) drainIntoSlowStore(ctx context.Context) ([]float64, error) {
	var until cleanup
	conn, err := b.env.connect(ctx, &until, "orders")
	if err != nil {
		return nil, errors.Join(err, until.close())
	}
	took, err := b.drainSlowly(ctx, &until, conn)
	if err := errors.Join(err, until.close()); err != nil {
		return nil, err
	}
	return []float64{float64(conn.Health().Redelivered), milliseconds(took)}, nil // also copies that came last
}

func (b *backlog) drainSlowly(ctx context.Context, until *cleanup, conn bus.Conn) (time.Duration, error) {
	forgetter, err := b.env.connectRaw(until)
	if err != nil {
		return 0, err
	}
	until.add(func() error { return b.forgetGroup(forgetter, service.Group(orders.Name)) })
	db, err := b.env.database(until, "orders")
	if err != nil {
		return 0, err
	}
	left := newCountdown(b.lengths)
	began := time.Now()
	_, err = startOrders(ctx, b.env, until, slowDatabase{db}, conn, func(m bus.Message) { left.count(m.Channel, m.Sequence) })
	if err != nil {
		return 0, err
	}
	err = left.wait(ctx)
	return time.Since(began), err
}

// What each write of a slow store takes more, and each record that it writes.
const (
	slowWrite  = 50 * time.Millisecond
	slowRecord = 4 * time.Millisecond
)

// slowDatabase is a database whose collections are slow to write.
type slowDatabase struct{ store.Database }

// Collection implements store.Database.
func (d slowDatabase) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	records, err := d.Database.Collection(ctx, spec)
	return slowCollection{records}, err
}

type slowCollection struct{ store.Collection }

// Put implements store.Collection.
func (c slowCollection) Put(ctx context.Context, w store.Write) error {
	time.Sleep(slowWrite + slowRecord)
	return c.Collection.Put(ctx, w)
}

// PutMany implements store.Collection.
func (c slowCollection) PutMany(ctx context.Context, ws []store.Write) error {
	time.Sleep(slowWrite + time.Duration(len(ws))*slowRecord)
	return c.Collection.PutMany(ctx, ws)
}
