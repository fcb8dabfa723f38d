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
func startOrders(ctx context.Context, env *environment, until *cleanup, db store.Database, conn orders.Bus, acked func(bus.Message)) (*orders.Service, error) {
	sessions, err := newSessions()
	if err != nil {
		return nil, err
	}
	service, err := orders.New(ctx, orders.Deps{
		Store: db, Bus: watchedBus{conn, acked}, Sessions: sessions, Log: env.log, Now: time.Now,
	})
	if err != nil {
		return nil, err
	}
	background(until, service.Run)
	return service, awaitReady(ctx, service)
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
	service, err := tickets.New(ctx, tickets.Deps{Store: db, Bus: conn, Sessions: sessions, Log: env.log, Now: time.Now})
	if err != nil {
		return "", err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	background(until, service.Run) // ends after the server, and publishes what is left
	background(until, func(ctx context.Context) error { return httpapi.Serve(ctx, listener, service.Handler(), env.log) })
	return listener.Addr().String(), awaitReady(ctx, service)
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
