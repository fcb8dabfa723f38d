package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// memoryOfTickets is what the program of tickets holds in memory of its own, with that many tickets in its
// store: when it has started and does nothing, and the most while clients create more. See rss.go.
func memoryOfTickets(s sizes) measurement {
	at := fmt.Sprintf("memory of tickets at %s tickets, ", amount(s.large))
	return measurement{
		name: "memory of tickets",
		rows: []row{
			{name: at + "idle", unit: "MB", target: valueAtMost(150)},
			{name: at + "creating " + amount(s.writes), unit: "MB", target: valueAtMost(150)},
		},
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			if err := memoryCanBeTaken(); err != nil {
				return nil, nil, err
			}
			path, err := env.copyOfFull(ctx, ticketsShelf(), s.large)
			c := &creation{env: env, path: path, clients: s.clients, writes: s.writes}
			return c.memory, nil, err
		},
	}
}

// creation is clients that create tickets in a program with a large store.
type creation struct {
	env             *environment
	path            string
	clients, writes int
}

func (c *creation) memory(ctx context.Context) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	p, err := startProgram(ctx, c.env, &until, "tickets", c.path)
	if err != nil {
		return nil, err
	}
	idle, err := p.idleMemory(ctx)
	if err != nil {
		return nil, err
	}
	request, err := postTicket(p.http)
	if err != nil {
		return nil, err
	}
	clients := make([]*client, c.clients)
	for i := range clients {
		if clients[i], err = dialClient(ctx, p.http); err != nil {
			return nil, err
		}
		until.add(clients[i].close)
	}
	samples, err := watchMemory(ctx, p.PID(), func(ctx context.Context) error {
		_, err := race(ctx, c.clients, c.writes, func(_ context.Context, i int) error {
			_, err := clients[i].do(request, http.StatusCreated)
			return err
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return []float64{idle, slices.Max(samples)}, nil
}
