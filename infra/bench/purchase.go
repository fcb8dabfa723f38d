package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/payment"
	"ticketing/pkg/payment/testcards"
	"ticketing/pkg/service"
	"ticketing/services/orders"
	"ticketing/services/payments"
	"ticketing/services/tickets"
)

// purchase is how long it takes on an idle system from the 201 of an order, as its client reads it: until tickets shows the
// ticket as reserved; and, if it is paid by a test card as soon as payments has heard of it, until orders shows it as
// complete. The moments are those of the acks, so no polling adds to them.
//
// The reference is that of visible: one event from publish to receive, by stan.go alone. The first takes one event; the
// second two, and a request that writes five times.
func purchase(s sizes) measurement {
	return measurement{
		name: "purchase",
		rows: []row{
			{name: "order to reserved ticket p50", unit: "ms"}, {name: "order to reserved ticket p99", unit: "ms"},
			{name: "order to paid to complete p50", unit: "ms"}, {name: "order to paid to complete p99", unit: "ms"},
		},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			m := &market{env: env, samples: s.samples, tickets: newCounter(), orders: newCounter(), payments: newCounter()}
			idle := &idleSystem{env: env, samples: s.samples, received: newArrivals()}
			once := func(ctx context.Context) ([]float64, error) {
				numbers, err := idle.throughBroker(ctx)
				return append(numbers, numbers...), err
			}
			return m.trade, once, errors.Join(m.start(ctx), idle.subscribe())
		},
	}
}

// counter is a service that people call: where it answers, and what it has heard of.
type counter struct {
	addr  string
	heard arrivals
}

func newCounter() counter { return counter{heard: newArrivals()} }

// market is the services by which a ticket is sold.
type market struct {
	env     *environment
	samples int

	tickets, orders, payments counter
}

func (m *market) start(ctx context.Context) error {
	cards := payments.New(func(ctx context.Context, s *service.Service) (payment.Provider, error) {
		return testcards.Open(ctx, s.Store)
	})
	return errors.Join(
		open(ctx, m.env, &m.tickets, tickets.Name, tickets.New, tickets.Config{}),
		open(ctx, m.env, &m.orders, orders.Name, orders.New, orders.Config{Window: orders.DefaultWindow}),
		open(ctx, m.env, &m.payments, payments.Name, cards, payments.Config{Patience: payments.DefaultPatience}),
	)
}

func open[C any](ctx context.Context, env *environment, c *counter, name string, build service.Build[C], cfg C) error {
	until := &env.cleanup
	db, err := env.database(until, name)
	if err != nil {
		return err
	}
	conn, err := env.connect(ctx, until, name)
	if err != nil {
		return err
	}
	_, c.addr, err = startService(ctx, env, until, name, db, conn, c.heard.ofMessage, build, cfg)
	return err
}

// create sends a request that creates something, and returns its id and when the answer was read.
func (c counter) create(ctx context.Context, path, body string) (id event.ID, answered time.Time, err error) {
	request, err := post(c.addr, path, body)
	if err != nil {
		return "", answered, err
	}
	client, err := dialClient(ctx, c.addr)
	if err != nil {
		return "", answered, err
	}
	defer func() { err = errors.Join(err, client.close()) }()
	answer, err := client.do(request, http.StatusCreated)
	answered = time.Now()
	if err != nil {
		return "", answered, err
	}
	var created ticketID
	err = json.Unmarshal(answer, &created)
	return created.ID, answered, err
}

func (m *market) trade(ctx context.Context) ([]float64, error) {
	reserved, complete := make([]float64, m.samples), make([]float64, m.samples)
	for i := range m.samples {
		first, second, err := m.sell(ctx)
		if err != nil {
			return nil, fmt.Errorf("sale %d: %w", i+1, err)
		}
		reserved[i], complete[i] = milliseconds(first), milliseconds(second)
	}
	return []float64{percentile(reserved, 50), percentile(reserved, 99), percentile(complete, 50), percentile(complete, 99)}, nil
}

// sell sells one ticket and returns how long after the order it was reserved, and how long the order was complete.
func (m *market) sell(ctx context.Context) (reserved, complete time.Duration, err error) {
	ticket, _, err := m.tickets.create(ctx, "/api/tickets", fmt.Sprintf(`{"title":%q,"price":20.5}`, title()))
	if err != nil {
		return 0, 0, err
	}
	if _, err := m.orders.heard.await(ctx, ticketID{ID: ticket}); err != nil {
		return 0, 0, err
	}
	order, ordered, err := m.orders.create(ctx, "/api/orders", fmt.Sprintf(`{"ticketId":%q}`, ticket))
	if err != nil {
		return 0, 0, err
	}
	held, err := m.tickets.heard.await(ctx, ticketID{ID: order})
	if err != nil {
		return 0, 0, err
	}
	if _, err := m.payments.heard.await(ctx, ticketID{ID: order}); err != nil {
		return 0, 0, err
	}
	if _, _, err := m.payments.create(ctx, "/api/payments", fmt.Sprintf(`{"token":"tok_visa","orderId":%q}`, order)); err != nil {
		return 0, 0, err
	}
	paid, err := m.orders.heard.await(ctx, ticketID{ID: order}) // a payment has its order's id
	return max(0, held.Sub(ordered)), paid.Sub(ordered), err
}
