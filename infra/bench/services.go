package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
	"ticketing/services/orders"
	"ticketing/services/tickets"
)

// jwtKey signs the sessions of the bench.
const jwtKey = "the key of sessions in the bench"

// newSessions returns the sessions under the bench's key.
func newSessions() (*identity.Sessions, error) {
	return identity.NewSessions([]byte(jwtKey), time.Hour, time.Now)
}

// startService runs a member of a service on conn, which reports what is acked, until until is closed. It returns when the
// member is ready and answers at addr.
func startService[C any](ctx context.Context, env *environment, until *cleanup, name string, db store.Database, conn bus.Conn,
	acked func(bus.Message), build service.Build[C], cfg C) (member *service.Service, addr string, err error) {
	sessions, err := newSessions()
	if err != nil {
		return nil, "", err
	}
	deps := service.Deps{Name: name, Store: db, Bus: watchedBus{conn, acked}, Sessions: sessions, Log: env.log}
	if member, err = service.Open(ctx, deps, build, cfg); err != nil {
		return nil, "", err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", fmt.Errorf("listen: %w", err)
	}
	background(until, member.Run) // ends after the server, and publishes what is left
	background(until, func(ctx context.Context) error { return httpapi.Serve(ctx, listener, member.Handler(), env.log) })
	return member, listener.Addr().String(), member.AwaitReady(ctx)
}

// startOrders is startService for a member of orders that nobody calls.
func startOrders(ctx context.Context, env *environment, until *cleanup, db store.Database, conn bus.Conn, acked func(bus.Message)) (*service.Service, error) {
	member, _, err := startService(ctx, env, until, orders.Name, db, conn, acked, orders.New, orders.Config{Window: orders.DefaultWindow})
	return member, err
}

// seenVersion returns the version at which a member has a ticket.
func seenVersion(ctx context.Context, member *service.Service, id event.ID) (event.Version, error) {
	item, err := member.Replica("ticket").Item(ctx, id)
	return item.Version, err
}

// startTickets is startService for tickets on a connection of its own, of whose acks nobody has to know.
func startTickets(ctx context.Context, env *environment, until *cleanup, db store.Database) (addr string, err error) {
	conn, err := env.connect(ctx, until, "tickets")
	if err != nil {
		return "", err
	}
	_, addr, err = startService(ctx, env, until, tickets.Name, db, conn, func(bus.Message) {}, tickets.New, tickets.Config{})
	return addr, err
}

// serveBare runs a handler on net/http alone until until is closed. It answers at addr.
func serveBare(ctx context.Context, until *cleanup, handle http.HandlerFunc) (addr string, err error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: handle}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	until.add(func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	})
	return listener.Addr().String(), nil
}

// sessionCookie signs the seller in and returns the Cookie header.
func sessionCookie() (string, error) {
	sessions, err := newSessions()
	if err != nil {
		return "", err
	}
	w := headers{}
	if err := sessions.Issue(w, &http.Request{}, identity.User{ID: seller, Email: "seller@example.com"}); err != nil {
		return "", err
	}
	cookie, err := http.ParseSetCookie(http.Header(w).Get("Set-Cookie"))
	if err != nil {
		return "", fmt.Errorf("read the session cookie: %w", err)
	}
	return cookie.Name + "=" + cookie.Value, nil
}

// headers is an http.ResponseWriter that keeps the headers alone.
type headers http.Header

func (h headers) Header() http.Header            { return http.Header(h) }
func (h headers) Write(data []byte) (int, error) { return len(data), nil }
func (h headers) WriteHeader(int)                {}

// ticketID is what an answer or an event says its ticket is.
type ticketID struct {
	ID      event.ID      `json:"id"`
	Version event.Version `json:"version"`
}
