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

// startOrders runs a member of orders on conn until until is closed, and returns when it is ready.
func startOrders(ctx context.Context, env *environment, until *cleanup, db store.Database, conn bus.Conn, acked func(bus.Message)) (*service.Service, error) {
	sessions, err := newSessions()
	if err != nil {
		return nil, err
	}
	member, err := service.Open(ctx, service.Deps{
		Name: orders.Name, Store: db, Bus: watchedBus{conn, acked}, Sessions: sessions, Log: env.log,
	}, orders.New, orders.Config{Window: orders.DefaultWindow})
	if err != nil {
		return nil, err
	}
	background(until, member.Run)
	return member, member.AwaitReady(ctx)
}

// seenVersion returns the version at which a member has a ticket.
func seenVersion(ctx context.Context, member *service.Service, id event.ID) (event.Version, error) {
	item, err := member.Replica("ticket").Item(ctx, id)
	return item.Version, err
}

// startTickets runs tickets, with a relay to the broker, until until is closed. It answers at addr.
func startTickets(ctx context.Context, env *environment, until *cleanup, db store.Database) (addr string, err error) {
	conn, err := env.connect(ctx, until, "tickets")
	if err != nil {
		return "", err
	}
	sessions, err := newSessions()
	if err != nil {
		return "", err
	}
	deps := service.Deps{Name: tickets.Name, Store: db, Bus: conn, Sessions: sessions, Log: env.log}
	member, err := service.Open(ctx, deps, tickets.New, tickets.Config{})
	if err != nil {
		return "", err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	background(until, member.Run) // ends after the server, and publishes what is left
	background(until, func(ctx context.Context) error { return httpapi.Serve(ctx, listener, member.Handler(), env.log) })
	return listener.Addr().String(), member.AwaitReady(ctx)
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
