// Command auth runs one replica of the auth service, configured by the environment.
package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"ticketing/pkg/app"
	"ticketing/services/auth"
)

type config struct {
	app.ListenConfig
	app.StoreConfig
	app.SessionConfig
	auth.Limits
}

func main() { app.Main("auth", run) }

func run(ctx context.Context, log *slog.Logger) (err error) {
	cfg, err := app.LoadConfig[config]()
	if err != nil {
		return err
	}
	sessions, err := cfg.Sessions()
	if err != nil {
		return err
	}
	db, err := cfg.StoreConfig.Open("auth")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return app.Serve(ctx, cfg.ListenConfig, log, func(ctx context.Context) (app.Service, error) {
		return auth.New(ctx, auth.Deps{Store: db, Sessions: sessions, Log: log, Now: time.Now, Limits: cfg.Limits})
	})
}
