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
)

// costOfCatchUp is what an event costs a member of orders that catches up in a large store, as a multiple of
// what it costs bolt: the rate of bbolt's own transactions on a copy of that store, of as many records each as
// the member's had, divided by the member's rate. The events are changes of tickets taken at random.
//
// The reference is the same multiple in a small store. So it is not the size that is judged, under which
// bolt suffers too, but what we add to it.
func costOfCatchUp(s sizes) measurement {
	return measurement{
		name: "cost of catch-up",
		rows: []row{{
			name: fmt.Sprintf("catch-up, cost per event at %s tickets, reference at %s", amount(s.large), amount(s.small)),
			unit: "of bolt's", target: ratioAtMost(1.3),
		}},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			large, err := prepareReplica(ctx, env, s.large, s.changes)
			if err != nil {
				return nil, nil, err
			}
			another, err := env.another() // a broker has one group of orders
			if err != nil {
				return nil, nil, err
			}
			small, err := prepareReplica(ctx, another, s.small, s.changes)
			if err != nil {
				return nil, nil, err
			}
			return large.cost, small.cost, nil
		},
	}
}

// filledReplica is a replica of orders that knows every ticket. Each run brings changes that no run before
// has brought, to a group that goes on where it was.
type filledReplica struct {
	env     *environment
	changes int // in each run

	path      string // the store of orders
	raw       *rawBolt
	tickets   *population
	publisher stango.Conn
	published int
}

func prepareReplica(ctx context.Context, env *environment, tickets, changes int) (*filledReplica, error) {
	kind, ids := ordersShelf(), env.stock.idsOf(tickets)
	path, err := env.copyOfFull(ctx, kind, tickets)
	if err != nil {
		return nil, err
	}
	copied, err := env.copyOfFull(ctx, kind, tickets)
	if err != nil {
		return nil, err
	}
	raw, err := openRawBolt(&env.cleanup, copied, kind, ids)
	if err != nil {
		return nil, err
	}
	publisher, err := env.connectRaw(&env.cleanup)
	if err != nil {
		return nil, err
	}
	return &filledReplica{
		env: env, changes: changes, path: path, raw: raw, tickets: newPopulation(ids), publisher: publisher,
	}, nil
}

func (f *filledReplica) cost(ctx context.Context) ([]float64, error) {
	before, err := transactions(f.path)
	if err != nil {
		return nil, err
	}
	ours, err := f.catchUp(ctx)
	if err != nil {
		return nil, err
	}
	after, err := transactions(f.path)
	if err != nil {
		return nil, err
	}
	theirs, err := f.raw.rewrite(ctx, f.changes, max(1, f.changes/(after-before)))
	return []float64{theirs / ours}, err
}

// catchUp publishes changes and returns the rate at which a member that starts then drains them.
func (f *filledReplica) catchUp(ctx context.Context) (_ float64, err error) {
	events := f.tickets.change(f.changes)
	messages, err := encodeAll(events)
	if err != nil {
		return 0, err
	}
	if err := publishAll(ctx, f.publisher, messages); err != nil {
		return 0, fmt.Errorf("publish changes: %w", err)
	}
	seen := uint64(f.published)
	f.published += len(events)

	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	db, err := openDatabase(&until, f.path)
	if err != nil {
		return 0, err
	}
	conn, err := f.env.connect(ctx, &until, "orders")
	if err != nil {
		return 0, err
	}
	left := newCountdown(lengths(events))
	began := time.Now()
	member, err := startOrders(ctx, f.env, &until, db, conn, func(m bus.Message) {
		if m.Sequence > seen {
			left.count(m.Channel, m.Sequence-seen)
		}
	})
	if err != nil {
		return 0, err
	}
	if err := left.wait(ctx); err != nil {
		return 0, err
	}
	rate := perSecond(len(events), began)
	return rate, expectLast(ctx, member, events)
}

// expectLast returns an error unless the replica stands where the last event has brought it: the events
// must have been applied, and not kept for a ticket that the store does not know.
func expectLast(ctx context.Context, member *service.Service, events []event.Ticket) error {
	last := events[len(events)-1]
	version, err := seenVersion(ctx, member, last.ID)
	if err != nil {
		return err
	}
	if version != last.Version {
		return fmt.Errorf("ticket %s stands at version %d, its last event was %d", last.ID, version, last.Version)
	}
	return nil
}
