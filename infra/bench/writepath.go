package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
	"ticketing/services/tickets"
)

// writePath is how many POST /api/tickets are answered with 201 per second, by keep-alive clients over
// loopback to the handler and server of the tickets service. Its relay publishes to the broker and forgets
// meanwhile: a request is one write before its 201, and one after it.
//
// The reference is the bolt store alone, with the same number of writers and the broker running beside it.
// Each writes what a request writes, of the same bytes: Put of a new record with its state and its event,
// then Forget of that event, each durable before the next. A pair counts as one.
func writePath(s sizes) measurement {
	return measurement{
		name: "write path",
		rows: metered("write path", "request", ratioAtLeast(0.6)),
		prepare: func(_ context.Context, env *environment) (value, reference probe, err error) {
			w := &writers{env: env, clients: s.clients, writes: s.posts}
			return w.overHTTP, w.intoStore, nil
		},
	}
}

type writers struct {
	env             *environment
	clients, writes int
}

func (w *writers) overHTTP(ctx context.Context) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	db, err := w.env.database(&until, "tickets")
	if err != nil {
		return nil, err
	}
	return w.post(ctx, &until, db)
}

// post runs tickets on a store until until is closed, and returns what the requests cost.
func (w *writers) post(ctx context.Context, until *cleanup, db store.Database) ([]float64, error) {
	addr, err := startTickets(ctx, w.env, until, db)
	if err != nil {
		return nil, err
	}
	return w.postTo(ctx, until, addr)
}

// postTo sends the clients' requests to a server; the clients are there until until is closed.
func (w *writers) postTo(ctx context.Context, until *cleanup, addr string) ([]float64, error) {
	request, err := postTicket(addr)
	if err != nil {
		return nil, err
	}
	clients := make([]*client, w.clients)
	for i := range clients {
		if clients[i], err = dialClient(ctx, addr); err != nil {
			return nil, err
		}
		until.add(clients[i].close)
	}
	return race(ctx, w.clients, w.writes, func(_ context.Context, writer int) error {
		_, err := clients[writer].do(request, http.StatusCreated)
		return err
	})
}

func (w *writers) intoStore(ctx context.Context) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	records, err := w.env.records(ctx, &until, "reference")
	if err != nil {
		return nil, err
	}
	return race(ctx, w.clients, w.writes, func(ctx context.Context, _ int) error { return writeTwice(ctx, records) })
}

// writeTwice is what a request writes.
func writeTwice(ctx context.Context, records store.Collection) error {
	write, err := newTicket()
	if err != nil {
		return err
	}
	if err := records.Put(ctx, write); err != nil {
		return err
	}
	return records.Forget(ctx, []store.Sent{{ID: write.ID, Versions: []int64{0}}})
}

// newTicket is the write that a request makes.
func newTicket() (store.Write, error) {
	now := time.Now()
	payload := ticketEvent(event.NewID(now), 0)
	state, err := json.Marshal(tickets.Ticket{Title: payload.Title, Price: payload.Price, UserID: payload.UserID})
	if err != nil {
		return store.Write{}, fmt.Errorf("encode the state: %w", err)
	}
	data, err := json.Marshal(payload)
	if err != nil {
		return store.Write{}, fmt.Errorf("encode the event: %w", err)
	}
	emit := []store.Event{{Channel: string(payload.Subject()), At: now, Data: data}}
	return store.Write{ID: string(payload.ID), State: state, Emit: emit}, nil
}

// race lets that many clients share n requests, and returns what a meter reads.
func race(ctx context.Context, clients, n int, do func(ctx context.Context, client int) error) ([]float64, error) {
	var taken atomic.Int64
	running, ctx := errgroup.WithContext(ctx)
	spent := startMeter()
	for client := range clients {
		running.Go(func() error {
			for taken.Add(1) <= int64(n) {
				if err := do(ctx, client); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := running.Wait(); err != nil {
		return nil, err
	}
	return spent.read(n)
}
