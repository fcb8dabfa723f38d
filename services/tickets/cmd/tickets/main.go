// Command tickets runs one replica of the tickets service, configured by the environment.
package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/oncall"
	"ticketing/services/tickets"
)

type config struct {
	app.ListenConfig
	app.StoreConfig
	app.BusConfig
	app.SessionConfig
	oncall.Volume
}

func main() { app.Main("tickets", run) }

func run(ctx context.Context, log *slog.Logger) (err error) {
	cfg, err := app.LoadConfig[config]()
	if err != nil {
		return err
	}
	sessions, err := cfg.Sessions()
	if err != nil {
		return err
	}
	db, err := cfg.StoreConfig.Open("tickets")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := cfg.BusConfig.Open(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, app.CloseBus(conn)) }()
	return app.Serve(ctx, cfg.ListenConfig, log, func(ctx context.Context) (app.Service, error) {
		return tickets.New(ctx, tickets.Deps{
			Store: db, Bus: conn, Sessions: sessions, Log: log, Now: time.Now, Volume: cfg.Volume,
		})
	})
}
