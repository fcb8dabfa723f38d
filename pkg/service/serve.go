package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"ticketing/pkg/app"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/store"
)

// Serve takes both addresses, opens the service and serves it until ctx ends. If Open returns store.ErrUnavailable,
// Serve tries again with backoff. Meanwhile /healthz is 200, /readyz names what is waited for, and the public get 503.
//
// At the end the service first reports that it is not ready. Then running requests are answered, the background work
// is finished, and the admin listener is closed. Serve returns after that. It ends in the same way if the background
// work or a listener fails, and returns that error.
func Serve[C any](ctx context.Context, listen app.ListenConfig, deps Deps, build Build[C], cfg C) error {
	public, err := takeAddress(ctx, "HTTP_ADDR", listen.HTTPAddr)
	if err != nil {
		return err
	}
	admin, err := takeAddress(ctx, "ADMIN_ADDR", listen.AdminAddr)
	if err != nil {
		return errors.Join(err, public.Close())
	}
	log := deps.Log
	log.Info("listening", "http", public.Addr().String(), "admin", admin.Addr().String())

	now := newStage(log)
	adminCtx, stopAdmin := context.WithCancel(context.WithoutCancel(ctx))
	open := func(ctx context.Context) (*Service, error) { return Open(ctx, deps, build, cfg) }
	var serving errgroup.Group
	serving.Go(func() error { return httpapi.Serve(adminCtx, admin, now.admin(), log) })
	serving.Go(func() error {
		defer stopAdmin()
		return serveOpened(ctx, open, public, now, log)
	})
	return serving.Wait()
}

// takeAddress listens. Its error names the variable that the address came from.
func takeAddress(ctx context.Context, variable, addr string) (net.Listener, error) {
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", variable, err)
	}
	return ln, nil
}

type opener func(context.Context) (*Service, error)

// serveOpened serves until ctx ends or the background work does. Requests are drained before that work is told to
// finish, so that it still publishes what they have written.
func serveOpened(ctx context.Context, open opener, public net.Listener, now *stage, log *slog.Logger) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	serve, stopServing := context.WithCancel(ctx)
	var running errgroup.Group
	running.Go(func() error {
		defer stopServing()
		service, err := awaitOpen(serve, log, now, open)
		if err != nil && serve.Err() != nil && ctx.Err() == nil {
			return nil // the listener has failed meanwhile; its error is returned below
		}
		if err != nil {
			return err
		}
		now.opened(service)
		ending := func() { now.unready(errors.New("shutting down")) }
		defer context.AfterFunc(ctx, ending)()
		defer ending() // also if the work ends by itself
		return service.Run(background)
	})
	running.Go(func() error {
		defer stopBackground()
		defer stopServing()
		return httpapi.Serve(serve, public, now.public(), log)
	})
	return running.Wait()
}

// awaitOpen opens the service as soon as its store can be reached. It logs each reason to wait once.
func awaitOpen(ctx context.Context, log *slog.Logger, now *stage, open opener) (*Service, error) {
	said := ""
	return backoff.Retry(ctx, func() (*Service, error) {
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
