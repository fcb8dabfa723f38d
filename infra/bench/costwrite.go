package main

import (
	"context"
	"errors"
	"fmt"
)

// costOfWriting is what a request of the write path costs in a large store, as a multiple of what it costs
// bolt: the rate of bbolt's own shared transactions on a copy of that store, by as many writers of two
// records of the same length for each request, divided by the rate of requests.
//
// The reference is the same multiple in a small store, for the same reason as in costOfCatchUp.
func costOfWriting(s sizes) measurement {
	return measurement{
		name: "cost of writing",
		rows: []row{{
			name: fmt.Sprintf("write path, cost per request at %s tickets, reference at %s", amount(s.large), amount(s.small)),
			unit: "of bolt's", target: ratioAtMost(1.3),
		}},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			large, err := prepareWriters(ctx, env, s, s.large)
			if err != nil {
				return nil, nil, err
			}
			small, err := prepareWriters(ctx, env, s, s.small)
			if err != nil {
				return nil, nil, err
			}
			return large.cost, small.cost, nil
		},
	}
}

// filledWriters write to a store that has many tickets already.
type filledWriters struct {
	writers
	path       string
	raw        *rawBolt
	eventBytes int
}

func prepareWriters(ctx context.Context, env *environment, s sizes, tickets int) (*filledWriters, error) {
	kind := ticketsShelf()
	path, err := env.copyOfFull(ctx, kind, tickets)
	if err != nil {
		return nil, err
	}
	copied, err := env.copyOfFull(ctx, kind, tickets)
	if err != nil {
		return nil, err
	}
	raw, err := openRawBolt(&env.cleanup, copied, kind, env.stock.idsOf(tickets))
	if err != nil {
		return nil, err
	}
	write, err := newTicket()
	if err != nil {
		return nil, err
	}
	return &filledWriters{
		writers: writers{env: env, clients: s.clients, writes: s.writes},
		path:    path, raw: raw, eventBytes: len(write.Emit[0].Data) + len(write.Emit[0].Channel),
	}, nil
}

func (f *filledWriters) cost(ctx context.Context) (_ []float64, err error) {
	ours, err := f.requests(ctx)
	if err != nil {
		return nil, err
	}
	theirs, err := f.raw.createAndForget(ctx, f.clients, f.writes, f.eventBytes)
	return []float64{theirs / ours}, err
}

// requests returns the rate of requests into the large store.
func (f *filledWriters) requests(ctx context.Context) (_ float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	db, err := openDatabase(&until, f.path)
	if err != nil {
		return 0, err
	}
	numbers, err := f.post(ctx, &until, db)
	if err != nil {
		return 0, err
	}
	return numbers[0], nil
}
