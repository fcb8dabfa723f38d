package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
)

// publishing is how fast the relay takes events that wait in the outboxes of a bolt store to the broker's
// file store: events per second, from its start until every event is published and forgotten, which is
// one more durable write of its record.
//
// The reference publishes the same payloads with stan.go alone, asynchronously with at most 1024 unanswered,
// until the last is answered.
func publishing(s sizes) measurement {
	return measurement{
		name: "publish",
		rows: metered(fmt.Sprintf("publish, %s events of %s tickets", amount(s.outbox), amount(s.outboxTickets)), "event", ratioAtLeast(0.5)),
		prepare: func(_ context.Context, env *environment) (value, reference probe, err error) {
			events := history(s.outbox, s.outboxTickets)
			messages, err := encodeAll(events)
			if err != nil {
				return nil, nil, err
			}
			o := &outboxes{env: env, events: events, messages: messages}
			return o.relay, o.publishRaw, nil
		},
	}
}

// outboxes are filled with events before each run.
type outboxes struct {
	env      *environment
	events   []event.Ticket
	messages []message // of the events, in their order
}

func (o *outboxes) relay(ctx context.Context) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	records, err := o.env.records(ctx, &until, "outboxes")
	if err != nil {
		return nil, err
	}
	if err := o.fill(ctx, records); err != nil {
		return nil, fmt.Errorf("fill the outboxes: %w", err)
	}
	conn, err := o.env.connect(ctx, &until, "relay")
	if err != nil {
		return nil, err
	}
	watched := newDrained(records, len(o.events))
	relay := outbox.NewRelay(watched, conn, outbox.Config{}, o.env.log)
	spent := startMeter()
	background(&until, relay.Run)
	if err := watched.wait(ctx); err != nil {
		return nil, err
	}
	return spent.read(len(o.events))
}

// fill writes every version of every ticket with its event, and no relay to take it. A batch has one
// version of each ticket, for a record is written once in a batch.
func (o *outboxes) fill(ctx context.Context, records store.Collection) error {
	var batches [][]store.Write // by version
	for i, e := range o.events {
		if int(e.Version) == len(batches) {
			batches = append(batches, nil)
		}
		m := o.messages[i]
		batches[e.Version] = append(batches[e.Version], store.Write{
			ID: string(e.ID), Revision: int64(e.Version), Version: int64(e.Version), State: m.data,
			Emit: []store.Event{{Channel: m.channel, At: time.Now(), Data: m.data}},
		})
	}
	for _, batch := range batches {
		if err := records.PutMany(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

func (o *outboxes) publishRaw(ctx context.Context) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	conn, err := o.env.connectRaw(&until)
	if err != nil {
		return nil, err
	}
	spent := startMeter()
	if err := publishAll(ctx, conn, o.messages); err != nil {
		return nil, err
	}
	return spent.read(len(o.messages))
}

// drained is a collection that tells when nothing waits in its outboxes any more.
type drained struct {
	store.Collection
	left  atomic.Int64 // versions not yet forgotten; a copy counts again, so it may come too early to 0
	once  sync.Once
	empty chan error // gets one value
}

func newDrained(records store.Collection, events int) *drained {
	d := &drained{Collection: records, empty: make(chan error, 1)}
	d.left.Store(int64(events))
	return d
}

// Forget implements store.Collection.
func (d *drained) Forget(ctx context.Context, sent []store.Sent) error {
	if err := d.Collection.Forget(ctx, sent); err != nil {
		return err
	}
	forgotten := 0
	for _, s := range sent {
		forgotten += len(s.Versions)
	}
	if d.left.Add(-int64(forgotten)) > 0 {
		return nil
	}
	pending, err := d.Pending(ctx, "", 1)
	if err != nil || len(pending) == 0 {
		d.once.Do(func() { d.empty <- err })
	}
	return nil
}

func (d *drained) wait(ctx context.Context) error {
	select {
	case err := <-d.empty:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
