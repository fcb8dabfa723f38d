package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/errgroup"

	"ticketing/pkg/httpapi"
	"ticketing/pkg/store"
)

// Service is what a process serves.
type Service interface {
	// Handler answers the public listener.
	Handler() http.Handler
	// Checks are what must work for the service to be ready.
	Checks() []httpapi.Check
	// Run does the work in the background until ctx ends, then finishes what it has begun.
	Run(ctx context.Context) error
}

// Operated is a Service that also answers the person on call, on the admin listener.
type Operated interface {
	// AdminRoutes adds the service's routes.
	AdminRoutes(admin chi.Router)
}

// AdminHandler serves a service's health and what it adds to it.
func AdminHandler(service Service) http.Handler {
	admin := httpapi.Admin(service.Checks()...)
	if operated, ok := service.(Operated); ok {
		operated.AdminRoutes(admin)
	}
	return admin
}

// ListenConfig says where a process listens.
type ListenConfig struct {
	// HTTPAddr is the public listener's.
	HTTPAddr string `envconfig:"HTTP_ADDR" default:"127.0.0.1:3000"`
	// AdminAddr serves /healthz and /readyz, and must not be reachable by the public.
	AdminAddr string `envconfig:"ADMIN_ADDR" default:"127.0.0.1:3001"`
}

// Serve takes both addresses, opens the service and serves it until ctx ends. While open returns
// store.ErrUnavailable it is tried again with backoff; meanwhile /healthz is well, /readyz tells what
// is waited for, and the public are answered 503. The order at the end: not ready; drain HTTP; finish the
// background work; the admin listener last. Serve returns when all of it has ended.
func Serve(ctx context.Context, cfg ListenConfig, log *slog.Logger, open func(context.Context) (Service, error)) error {
	public, err := listen(ctx, "HTTP_ADDR", cfg.HTTPAddr)
	if err != nil {
		return err
	}
	admin, err := listen(ctx, "ADMIN_ADDR", cfg.AdminAddr)
	if err != nil {
		return errors.Join(err, public.Close())
	}
	log.Info("listening", "http", public.Addr().String(), "admin", admin.Addr().String())

	now := newStage(log)
	adminCtx, stopAdmin := context.WithCancel(context.WithoutCancel(ctx))
	var serving errgroup.Group
	serving.Go(func() error { return httpapi.Serve(adminCtx, admin, now.admin(), log) })
	serving.Go(func() error {
		defer stopAdmin()
		return run(ctx, open, public, now, log)
	})
	return serving.Wait()
}

// listen names the variable that an address came from, where it cannot be taken.
func listen(ctx context.Context, variable, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	return ln, nil
}

// run serves until ctx ends or the background work does. Requests are drained before that work is told
// to finish, so that it still publishes what they have written.
func run(ctx context.Context, open func(context.Context) (Service, error), public net.Listener, now *stage, log *slog.Logger) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	serve, stopServing := context.WithCancel(ctx)
	var running errgroup.Group
	running.Go(func() error {
		defer stopServing()
		service, err := awaitOpen(serve, log, now, open)
		if err != nil && serve.Err() != nil && ctx.Err() == nil {
			return nil // the listener has failed meanwhile, which is said below
		}
		if err != nil {
			return err
		}
		now.opened(service)
		ending := func() { now.unready(errors.New("shutting down")) }
		defer context.AfterFunc(ctx, ending)()
		defer ending() // also where the work ends by itself
		return service.Run(background)
	})
	running.Go(func() error {
		defer stopBackground()
		defer stopServing()
		return httpapi.Serve(serve, public, now.public(), log)
	})
	return running.Wait()
}

// awaitOpen opens the service as soon as its store can be reached.
func awaitOpen(ctx context.Context, log *slog.Logger, now *stage, open func(context.Context) (Service, error)) (Service, error) {
	said := ""
	return backoff.Retry(ctx, func() (Service, error) {
		service, err := open(ctx)
		if err != nil && !errors.Is(err, store.ErrUnavailable) {
			return nil, backoff.Permanent(err)
		}
		if err != nil {
			now.unready(err)
			if reason := err.Error(); reason != said {
				said = reason
				log.Warn("waiting for the store", "error", err)
			}
		}
		return service, err
	}, backoff.WithBackOff(&backoff.ExponentialBackOff{
		InitialInterval: 100 * time.Millisecond, RandomizationFactor: 0.3, Multiplier: 2, MaxInterval: 5 * time.Second,
	}), backoff.WithMaxElapsedTime(0))
}
