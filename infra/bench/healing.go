package main

import (
	"context"
	"fmt"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/service"
)

// healing is how long two swapped events of one ticket keep its replica back, with two members of orders
// on one store: version 2 comes before version 1 and is kept; then the clock runs from the publishing of
// version 1, which may arrive at either member, until both are applied and durable.
//
// The reference is what the textbook pays, which leaves an early event un-acked: AckWait.
func healing(s sizes) measurement {
	return measurement{
		name: "healing of a swap",
		rows: []row{
			{name: "healing of a swap p50", unit: "ms", target: valueAtMost(20)},
			{name: "healing of a swap p99", unit: "ms", target: valueAtMost(20)},
		},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			g := &swappedEvents{env: env, swaps: s.swaps, acked: newArrivals()}
			return g.heal, ackWait, g.start(ctx)
		},
	}
}

// ackWait does not measure: an un-acked event is delivered again after that, and no sooner.
func ackWait(context.Context) ([]float64, error) {
	return []float64{milliseconds(bus.DefaultAckWait), milliseconds(bus.DefaultAckWait)}, nil
}

// swappedEvents are published to two members of orders.
type swappedEvents struct {
	env   *environment
	swaps int

	source bus.Publisher
	orders *service.Service // either member: they share the store
	acked  arrivals         // by both members
}

func (s *swappedEvents) start(ctx context.Context) error {
	until := &s.env.cleanup
	db, err := s.env.database(until, "orders")
	if err != nil {
		return err
	}
	for range 2 {
		conn, err := s.env.connect(ctx, until, "orders")
		if err != nil {
			return err
		}
		if s.orders, err = startOrders(ctx, s.env, until, db, conn, s.acked.ofMessage); err != nil {
			return err
		}
	}
	s.source, err = s.env.connect(ctx, until, "source")
	return err
}

func (s *swappedEvents) heal(ctx context.Context) ([]float64, error) {
	return percentiles(s.swaps, func() (time.Duration, error) {
		id := event.NewID(time.Now())
		for _, version := range []event.Version{0, 2} {
			if _, err := s.bring(ctx, id, version); err != nil {
				return 0, err
			}
		}
		if err := s.expect(ctx, id, 0); err != nil {
			return 0, fmt.Errorf("before the missing event: %w", err)
		}
		began := time.Now()
		applied, err := s.bring(ctx, id, 1)
		if err != nil {
			return 0, err
		}
		if err := s.expect(ctx, id, 2); err != nil {
			return 0, fmt.Errorf("after the missing event: %w", err)
		}
		return applied.Sub(began), nil
	})
}

// bring publishes a version of a ticket and returns when a member acked it.
func (s *swappedEvents) bring(ctx context.Context, id event.ID, version event.Version) (time.Time, error) {
	ticket := ticketEvent(id, version)
	data, err := event.Encode(ticket)
	if err != nil {
		return time.Time{}, err
	}
	if err := s.source.Publish(ctx, string(ticket.Subject()), data); err != nil {
		return time.Time{}, err
	}
	return s.acked.await(ctx, ticketID{id, version})
}

// expect returns an error unless the replica stands at the version.
func (s *swappedEvents) expect(ctx context.Context, id event.ID, want event.Version) error {
	version, err := seenVersion(ctx, s.orders, id)
	if err != nil {
		return err
	}
	if version != want {
		return fmt.Errorf("the replica stands at version %d, not %d", version, want)
	}
	return nil
}
