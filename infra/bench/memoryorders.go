package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	stango "github.com/nats-io/stan.go"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/service"
	"ticketing/services/orders"
)

// memoryOfOrders is what the program of orders holds in memory of its own, with that many tickets in its
// store: when it has started and does nothing, and the most while it catches up with events that came while it
// was away, changes of tickets taken at random. Flat means that the second half of that time needs no
// more than the first. See rss.go.
func memoryOfOrders(s sizes) measurement {
	at := fmt.Sprintf("memory of orders at %s tickets, ", amount(s.large))
	catchingUp := at + fmt.Sprintf("catching up %s events", amount(s.events))
	return measurement{
		name: "memory of orders",
		rows: []row{
			{name: at + "idle", unit: "MB", target: valueAtMost(150)},
			{name: catchingUp, unit: "MB", target: valueAtMost(150)},
			{name: catchingUp + ", second half", unit: "of the first's", target: valueAtMost(1.2)},
		},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			if err := memoryCanBeTaken(); err != nil {
				return nil, nil, err
			}
			a := &absence{env: env, changes: s.events, tickets: newPopulation(env.stock.idsOf(s.large))}
			return a.memory, nil, a.prepare(ctx, s.large)
		},
	}
}

// absence is a program of orders that is away while tickets change.
type absence struct {
	env     *environment
	changes int

	path      string
	tickets   *population
	publisher stango.Conn
	books     bus.Inspector
}

func (a *absence) prepare(ctx context.Context, tickets int) (err error) {
	if a.path, err = a.env.copyOfFull(ctx, ordersShelf(), tickets); err != nil {
		return err
	}
	if a.publisher, err = a.env.connectRaw(&a.env.cleanup); err != nil {
		return err
	}
	a.books, err = a.env.connect(ctx, &a.env.cleanup, "books")
	return err
}

func (a *absence) memory(ctx context.Context) ([]float64, error) {
	idle, err := a.idle(ctx)
	if err != nil {
		return nil, err
	}
	messages, err := encodeAll(a.tickets.change(a.changes))
	if err != nil {
		return nil, err
	}
	if err := publishAll(ctx, a.publisher, messages); err != nil {
		return nil, fmt.Errorf("publish changes: %w", err)
	}
	first, second, err := a.catchUp(ctx)
	return []float64{idle, max(first, second), second / first}, err
}

// idle also joins the group, which from then on has a place in the channels.
func (a *absence) idle(ctx context.Context) (_ float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	p, err := startProgram(ctx, a.env, &until, "orders", a.path)
	if err != nil {
		return 0, err
	}
	return p.idleMemory(ctx)
}

func (a *absence) catchUp(ctx context.Context) (first, second float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	p, err := startProgram(ctx, a.env, &until, "orders", a.path)
	if err != nil {
		return 0, 0, err
	}
	samples, err := watchMemory(ctx, p.PID(), a.awaitDrained)
	if err != nil {
		return 0, 0, err
	}
	first, second = halves(samples)
	return first, second, nil
}

// awaitDrained waits until the group has acknowledged every change.
func (a *absence) awaitDrained(ctx context.Context) error {
	for {
		channel, err := a.books.Channel(ctx, string(event.SubjectTicketUpdated))
		if err != nil {
			return err
		}
		for _, durable := range channel.Durables {
			if durable.Group == service.Group(orders.Name) && channel.Lag(durable) == 0 {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until orders has caught up: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
