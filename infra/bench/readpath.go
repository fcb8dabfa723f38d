package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"ticketing/pkg/store"
)

// readPath is how many GET /api/tickets/{id} are answered per second by the tickets service from its bolt
// store, to keep-alive clients over loopback, each of which reads a ticket of its own.
//
// The reference answers the same requests of the same clients with the same bodies out of memory: a bare
// net/http handler and server.
func readPath(s sizes) measurement {
	return measurement{
		name: "read path",
		rows: metered("read path", "request", ratioAtLeast(0.5)),
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			r := &readers{env: env, clients: s.clients, reads: s.reads, bodies: map[string][]byte{}}
			if err := r.start(ctx); err != nil {
				return nil, nil, err
			}
			return r.from(r.service), r.from(r.memory), nil
		},
	}
}

type readers struct {
	env            *environment
	clients, reads int

	paths           []string          // by client
	bodies          map[string][]byte // by path
	service, memory string            // their addresses
}

// start runs the service with a ticket for each client, reads each once, and runs the reference.
func (r *readers) start(ctx context.Context) error {
	until := &r.env.cleanup
	db, err := r.env.database(until, "tickets")
	if err != nil {
		return err
	}
	records, err := db.Collection(ctx, store.Spec{Name: "tickets"})
	if err != nil {
		return err
	}
	for range r.clients {
		write, err := newTicket()
		if err != nil {
			return err
		}
		write.Emit = nil // nothing is to be published meanwhile
		if err := records.Put(ctx, write); err != nil {
			return err
		}
		r.paths = append(r.paths, "/api/tickets/"+write.ID)
	}
	if r.service, err = startTickets(ctx, r.env, until, db); err != nil {
		return err
	}
	if err := r.rememberBodies(ctx); err != nil {
		return err
	}
	r.memory, err = serveBare(ctx, until, func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(r.bodies[req.URL.Path]) // a client that is gone has failed already
	})
	return err
}

func (r *readers) rememberBodies(ctx context.Context) (err error) {
	c, err := dialClient(ctx, r.service)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	for _, path := range r.paths {
		body, err := c.do(getRequest(r.service, path), http.StatusOK)
		if err != nil {
			return err
		}
		r.bodies[path] = slices.Clone(body)
	}
	return nil
}

// from reads at addr.
func (r *readers) from(addr string) probe {
	return func(ctx context.Context) (_ []float64, err error) {
		var until cleanup
		defer func() { err = errors.Join(err, until.close()) }()
		clients, requests := make([]*client, r.clients), make([][]byte, r.clients)
		for i := range clients {
			if clients[i], err = dialClient(ctx, addr); err != nil {
				return nil, err
			}
			until.add(clients[i].close)
			requests[i] = getRequest(addr, r.paths[i])
		}
		return race(ctx, r.clients, r.reads, func(_ context.Context, reader int) error {
			_, err := clients[reader].do(requests[reader], http.StatusOK)
			return err
		})
	}
}

// getRequest is a GET as it goes over the wire.
func getRequest(addr, path string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n\r\n", path, addr)
}
