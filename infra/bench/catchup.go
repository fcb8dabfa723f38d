package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	stango "github.com/nats-io/stan.go"

	"ticketing/pkg/bus"
	"ticketing/pkg/service"
	"ticketing/services/orders"
)

// catchUp is how fast a member of orders with an empty store drains ticket:created and ticket:updated
// from the broker's file store: events per second, from its start until the last event is applied, durable
// and acked.
//
// The reference drains the same two channels with stan.go alone: durable queue subscribers, manual ack,
// MaxInflight 1024 each, every event decoded with encoding/json into a struct of plain fields and dropped;
// from the subscribing until the last ack.
//
// Both begin with a connection that stands and a group the broker has never heard of.
func catchUp(s sizes) measurement {
	return measurement{
		name: "catch-up",
		rows: metered(fmt.Sprintf("catch-up, %s events of %s tickets", amount(s.events), amount(s.tickets)), "event", ratioAtLeast(0.4)),
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			b, err := fillBacklog(ctx, env, s.events, s.tickets)
			if err != nil {
				return nil, nil, err
			}
			return b.drainIntoReplica(1), b.drainRaw, nil
		},
	}
}

// backlog is the history that waits in the broker.
type backlog struct {
	env     *environment
	lengths map[string]int // by channel
	events  int
}

// fillBacklog publishes a history of n events to a new broker.
func fillBacklog(ctx context.Context, env *environment, n, tickets int) (*backlog, error) {
	raw, err := env.connectRaw(&env.cleanup)
	if err != nil {
		return nil, err
	}
	events := history(n, tickets)
	messages, err := encodeAll(events)
	if err != nil {
		return nil, err
	}
	if err := publishAll(ctx, raw, messages); err != nil {
		return nil, fmt.Errorf("publish the history: %w", err)
	}
	return &backlog{env: env, lengths: lengths(events), events: len(events)}, nil
}

// drainIntoReplica lets that many members on one new store drain it.
func (b *backlog) drainIntoReplica(members int) probe {
	return func(ctx context.Context) ([]float64, error) { return b.drainByMembers(ctx, members) }
}

func (b *backlog) drainByMembers(ctx context.Context, members int) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	forgetter, err := b.env.connectRaw(&until)
	if err != nil {
		return nil, err
	}
	until.add(func() error { return b.forgetGroup(forgetter, service.Group(orders.Name)) })
	db, err := b.env.database(&until, "orders")
	if err != nil {
		return nil, err
	}
	conns := make([]bus.Conn, members)
	for i := range conns {
		if conns[i], err = b.env.connect(ctx, &until, "orders"); err != nil {
			return nil, err
		}
	}
	left := newCountdown(b.lengths)
	spent := startMeter()
	for _, conn := range conns {
		_, err = startOrders(ctx, b.env, &until, db, conn, func(m bus.Message) { left.count(m.Channel, m.Sequence) })
		if err != nil {
			return nil, err
		}
	}
	if err := left.wait(ctx); err != nil {
		return nil, err
	}
	return spent.read(b.events)
}

func (b *backlog) drainRaw(ctx context.Context) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	conn, err := b.env.connectRaw(&until)
	if err != nil {
		return nil, err
	}
	group := b.env.name("group")
	left := newCountdown(b.lengths)
	var failed atomic.Pointer[error]
	spent := startMeter()
	for channel := range b.lengths {
		sub, err := joinGroup(conn, channel, group, func(m *stango.Msg) {
			var ticket plainTicket
			err := errors.Join(json.Unmarshal(m.Data, &ticket), m.Ack())
			if err != nil {
				failed.Store(&err)
			}
			left.count(channel, m.Sequence)
		})
		if err != nil {
			return nil, err
		}
		until.add(sub.Unsubscribe) // takes the durable with it
	}
	if err := left.wait(ctx); err != nil {
		return nil, err
	}
	numbers, err := spent.read(b.events)
	if failed := failed.Load(); failed != nil {
		return nil, *failed
	}
	return numbers, err
}

// plainTicket is a ticket's event without the contract's checks.
type plainTicket struct {
	ID      string  `json:"id"`
	Version int64   `json:"version"`
	Title   string  `json:"title"`
	Price   float64 `json:"price"`
	UserID  string  `json:"userId"`
}

// forgetGroup makes the broker forget how far a group has come, which the system itself never does.
func (b *backlog) forgetGroup(conn stango.Conn, group string) error {
	for channel := range b.lengths {
		sub, err := joinGroup(conn, channel, group, func(*stango.Msg) {})
		if err != nil {
			return err
		}
		if err := sub.Unsubscribe(); err != nil {
			return fmt.Errorf("forget group %s of %s: %w", group, channel, err)
		}
	}
	return nil
}

// joinGroup subscribes as the references do.
func joinGroup(conn stango.Conn, channel, group string, handle stango.MsgHandler) (stango.Subscription, error) {
	sub, err := conn.QueueSubscribe(channel, group, handle, stango.DurableName(group), stango.DeliverAllAvailable(),
		stango.SetManualAckMode(), stango.MaxInflight(1024), stango.AckWait(30*time.Second))
	if err != nil {
		return nil, fmt.Errorf("join group %s of %s: %w", group, channel, err)
	}
	return sub, nil
}
