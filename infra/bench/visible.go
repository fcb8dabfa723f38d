package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	stango "github.com/nats-io/stan.go"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/service"
)

// visible is how long it takes on an idle system from the 201 of a new ticket, as its client reads it,
// until the replica of orders shows it: publish, delivery and a durable write. One request at a time; the
// ack of orders tells the moment, so no polling adds to it.
//
// The reference is an event of the same size through the same broker by stan.go alone: from the call of
// Publish until the handler of a durable queue subscriber has it.
func visible(s sizes) measurement {
	return measurement{
		name: "201 to visible",
		rows: []row{
			{name: "201 to visible p50", unit: "ms", target: ratioAtMost(3)},
			{name: "201 to visible p99", unit: "ms", target: ratioAtMost(5)},
		},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			idle := &idleSystem{env: env, samples: s.samples, applied: newArrivals(), received: newArrivals()}
			return idle.throughSystem, idle.throughBroker, idle.start(ctx)
		},
	}
}

// idleSystem is tickets, orders and a subscriber of stan.go on one broker, with one client.
type idleSystem struct {
	env     *environment
	samples int

	addr    string
	orders  *service.Service
	applied arrivals // what orders has applied

	raw      stango.Conn
	received arrivals // what the subscriber of stan.go has been handed
}

// rawChannel carries the reference's events.
const rawChannel = "bench:raw"

func (s *idleSystem) start(ctx context.Context) error {
	until := &s.env.cleanup
	ticketStore, err := s.env.database(until, "tickets")
	if err != nil {
		return err
	}
	orderStore, err := s.env.database(until, "orders")
	if err != nil {
		return err
	}
	conn, err := s.env.connect(ctx, until, "orders")
	if err != nil {
		return err
	}
	if s.orders, err = startOrders(ctx, s.env, until, orderStore, conn, s.applied.ofMessage); err != nil {
		return err
	}
	if s.addr, err = startTickets(ctx, s.env, until, ticketStore); err != nil {
		return err
	}
	return s.subscribe()
}

// subscribe lets a subscriber of stan.go join.
func (s *idleSystem) subscribe() (err error) {
	if s.raw, err = s.env.connectRaw(&s.env.cleanup); err != nil {
		return err
	}
	_, err = joinGroup(s.raw, rawChannel, "bench", func(m *stango.Msg) {
		s.received.note(m.Data)
		if err := m.Ack(); err != nil {
			s.env.log.Warn("ack not sent", "error", err)
		}
	})
	return err
}

func (s *idleSystem) throughSystem(ctx context.Context) (_ []float64, err error) {
	client, err := dialClient(ctx, s.addr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()
	request, err := postTicket(s.addr)
	if err != nil {
		return nil, err
	}
	return percentiles(s.samples, func() (time.Duration, error) {
		answer, err := client.do(request, http.StatusCreated)
		if err != nil {
			return 0, err
		}
		answered := time.Now()
		var created ticketID
		if err := json.Unmarshal(answer, &created); err != nil {
			return 0, fmt.Errorf("read an answer: %w", err)
		}
		at, err := s.applied.await(ctx, created)
		if err != nil {
			return 0, err
		}
		if _, err := seenVersion(ctx, s.orders, created.ID); err != nil {
			return 0, fmt.Errorf("acked and not visible: %w", err)
		}
		return max(0, at.Sub(answered)), nil // 0 where it was visible before the answer was read
	})
}

func (s *idleSystem) throughBroker(ctx context.Context) ([]float64, error) {
	return percentiles(s.samples, func() (time.Duration, error) {
		ticket := ticketEvent(event.NewID(time.Now()), 0)
		data, err := event.Encode(ticket)
		if err != nil {
			return 0, err
		}
		began := time.Now()
		if err := s.raw.Publish(rawChannel, data); err != nil {
			return 0, fmt.Errorf("publish: %w", err)
		}
		at, err := s.received.await(ctx, ticketID{ticket.ID, ticket.Version})
		return at.Sub(began), err
	})
}

// percentiles takes n samples, one after the other, and returns p50 and p99 in milliseconds.
func percentiles(n int, sample func() (time.Duration, error)) ([]float64, error) {
	samples := make([]float64, n)
	for i := range samples {
		took, err := sample()
		if err != nil {
			return nil, fmt.Errorf("sample %d: %w", i+1, err)
		}
		samples[i] = milliseconds(took)
	}
	return []float64{percentile(samples, 50), percentile(samples, 99)}, nil
}

// arrivals tells when events arrived, to one who awaits each before the next is sent.
type arrivals chan arrival

type arrival struct {
	ticket ticketID
	at     time.Time
}

// newArrivals has room for some events that nobody awaits: copies.
func newArrivals() arrivals { return make(arrivals, 64) }

// ofMessage notes an event of the bus.
func (a arrivals) ofMessage(m bus.Message) { a.note(m.Data) }

// note notes that an event arrived now.
func (a arrivals) note(data []byte) {
	seen := arrival{at: time.Now()}
	if json.Unmarshal(data, &seen.ticket) == nil {
		a <- seen
	}
}

// await returns when the event arrived. What arrives before it is passed over.
func (a arrivals) await(ctx context.Context, want ticketID) (time.Time, error) {
	for {
		select {
		case seen := <-a:
			if seen.ticket == want {
				return seen.at, nil
			}
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("await version %d of %s: %w", want.Version, want.ID, ctx.Err())
		}
	}
}
