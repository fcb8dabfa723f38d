package service

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"ticketing/pkg/app"
	"ticketing/pkg/telemetry"
)

// Option changes what a program needs.
type Option int

const (
	// WithoutBus is for a service that neither owns nor follows entities: no broker is configured or connected to.
	WithoutBus Option = iota + 1
	// WithoutStore is for a service that keeps nothing: no store is configured or opened.
	WithoutStore
	// WithoutSessions is for a service that has no route for people: no key is configured.
	WithoutSessions
)

// busEnvironment is what services on the bus read besides.
type busEnvironment struct {
	app.BusConfig
	telemetry.Volume
}

// Main runs a service as a process, configured by the environment, and never returns (see app.Main). C is the
// service's own part of the environment, a struct for app.LoadConfig. The database is called name unless
// MONGO_DATABASE is set.
func Main[C any](name string, build Build[C], options ...Option) {
	app.Main(name, func(ctx context.Context, log *slog.Logger) error { return runMain(ctx, name, log, build, options) })
}

func runMain[C any](ctx context.Context, name string, log *slog.Logger, build Build[C], options []Option) (err error) {
	listen, err := app.LoadConfig[app.ListenConfig]()
	if err != nil {
		return err
	}
	cfg, err := app.LoadConfig[C]()
	if err != nil {
		return err
	}
	if err := check(cfg); err != nil {
		return err
	}
	deps := Deps{Name: name, Log: log}
	if !slices.Contains(options, WithoutSessions) {
		sessionEnv, loadErr := app.LoadConfig[app.SessionConfig]()
		if loadErr != nil {
			return loadErr
		}
		if deps.Sessions, err = sessionEnv.Sessions(); err != nil {
			return err
		}
	}
	if !slices.Contains(options, WithoutStore) {
		storeEnv, loadErr := app.LoadConfig[app.StoreConfig]()
		if loadErr != nil {
			return loadErr
		}
		if deps.Store, err = storeEnv.Open(name); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, deps.Store.Close()) }()
	}
	if !slices.Contains(options, WithoutBus) {
		busEnv, loadErr := app.LoadConfig[busEnvironment]()
		if loadErr != nil {
			return loadErr
		}
		conn, openErr := busEnv.Open(log)
		if openErr != nil {
			return openErr
		}
		defer func() { err = errors.Join(err, app.CloseBus(conn)) }()
		deps.Bus, deps.Volume = conn, busEnv.Volume
	}
	return Serve(ctx, listen, deps, build, cfg)
}
