package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/app"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

func TestServeWaitsForTheStoreAndSaysSo(t *testing.T) {
	// Given a store that is away, for one reason and then for another
	var reason atomic.Pointer[string]
	setReason := func(text string) { reason.Store(&text) }
	setReason("no answer")
	d := newDemo()
	p := serve(t, func(ctx context.Context, s *service.Service, cfg struct{}) error {
		if text := *reason.Load(); text != "" {
			return fmt.Errorf("open demo: %w: %s", store.ErrUnavailable, text)
		}
		return d.build(ctx, s, cfg)
	})
	await(t, p.admin, "/readyz", 503, "open demo: store unavailable: no answer")
	await(t, p.admin, "/healthz", 200, "alive")
	setReason("not the primary")
	await(t, p.admin, "/readyz", 503, "not the primary")
	await(t, p.http, "/", 503, "temporarily unavailable")
	await(t, p.http, "/no/such/path", 503, "temporarily unavailable")

	// When it is there, then the service's own checks and routes take over
	setReason("")
	await(t, p.admin, "/readyz", 200, `"name":"store"`)
	await(t, p.admin, "/parked", 200, "none")
	await(t, p.http, "/", 200, "here")
	p.store.unwell.Store(true)
	await(t, p.admin, "/readyz", 503, "unwell")

	// And each reason was said once, however often it was tried
	p.stop()
	if err := p.end(t); err != nil {
		t.Errorf("Serve = %v", err)
	}
	want := []string{
		"WARN waiting for the store: open demo: store unavailable: no answer",
		"WARN waiting for the store: open demo: store unavailable: not the primary",
	}
	if diff := cmp.Diff(want, p.log.read()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestServeEndsWhileItWaits(t *testing.T) {
	p := serve(t, func(context.Context, *service.Service, struct{}) error { return store.ErrUnavailable })
	await(t, p.admin, "/readyz", 503, store.ErrUnavailable.Error())
	p.stop()
	if err := p.end(t); !errors.Is(err, context.Canceled) {
		t.Errorf("Serve = %v, want the error of its context", err)
	}
	p.checkClosed(t)
}

func TestServeGivesUpWhatCannotBeOpened(t *testing.T) {
	broken := errors.New("broken")
	p := serve(t, func(context.Context, *service.Service, struct{}) error { return broken })
	if err := p.end(t); !errors.Is(err, broken) {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
	p.checkClosed(t)
}

func TestServeEndsInOrder(t *testing.T) {
	// Given a request that is being answered
	d := newDemo()
	p := serve(t, d.build)
	await(t, p.admin, "/readyz", 200, "")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if status, body, err := get(p.http, "/slow"); status != 200 || body != "whole" {
			t.Errorf("answer = %d %q, %v", status, body, err)
		}
	}()
	<-d.entered

	// When the process is told to end, then it is not ready, takes nothing new, and waits for the request
	p.stop()
	await(t, p.admin, "/readyz", 503, "shutting down")
	await(t, p.admin, "/healthz", 200, "alive")
	awaitRefusal(t, p.http)
	if events := d.read(); len(events) > 0 {
		t.Errorf("while a request was being answered: %q", events)
	}

	// And only when that is answered does the background work end, and then the admin listener
	close(d.release)
	<-answered
	if err := p.end(t); err != nil {
		t.Errorf("Serve = %v", err)
	}
	if diff := cmp.Diff([]string{"answered, context: <nil>", "background told to finish"}, d.read()); diff != "" {
		t.Errorf("story (-want +got):\n%s", diff)
	}
	p.checkClosed(t)
}

func TestServeEndsWithTheBackgroundWork(t *testing.T) {
	d := newDemo()
	p := serve(t, d.build)
	await(t, p.http, "/", 200, "here")
	broken := errors.New("broken")
	d.fail <- broken
	if err := p.end(t); !errors.Is(err, broken) {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
	p.checkClosed(t)
}

func TestServeIsNotReadyWhileItEndsByItself(t *testing.T) {
	// given a request that is being answered
	d := newDemo()
	p := serve(t, d.build)
	await(t, p.admin, "/readyz", 200, "")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		_, _, _ = get(p.http, "/slow")
	}()
	<-d.entered
	// when the background work ends meanwhile, then the process says that it is not ready, also when it is told to end
	broken := errors.New("broken")
	d.fail <- broken
	await(t, p.admin, "/readyz", 503, "shutting down")
	p.stop()
	await(t, p.admin, "/readyz", 503, "shutting down")
	close(d.release)
	<-answered
	if err := p.end(t); !errors.Is(err, broken) {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
}

func TestServeNamesTheAddressItCannotTake(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().String()
	for _, tt := range []struct {
		variable string
		cfg      app.ListenConfig
	}{
		{"HTTP_ADDR", app.ListenConfig{HTTPAddr: taken, AdminAddr: "127.0.0.1:0"}},
		{"ADMIN_ADDR", app.ListenConfig{HTTPAddr: "127.0.0.1:0", AdminAddr: taken}},
		{"HTTP_ADDR", app.ListenConfig{HTTPAddr: "127.0.0.1", AdminAddr: "127.0.0.1:0"}},
	} {
		deps := service.Deps{Name: "demo", Log: slog.New(slog.DiscardHandler)}
		err := service.Serve(t.Context(), tt.cfg, deps, func(context.Context, *service.Service, struct{}) error {
			t.Error("the service was opened")
			return nil
		}, struct{}{})
		var opError *net.OpError
		if !errors.As(err, &opError) || !strings.HasPrefix(err.Error(), tt.variable+": ") {
			t.Errorf("%+v: Serve = %v, want an error of %s", tt.cfg, err, tt.variable)
		}
	}
}
