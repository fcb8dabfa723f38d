// Command tickets runs one replica of the tickets service, configured by the environment.
package main

import (
	"context"
	"log/slog"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/telemetry"
	"ticketing/services/tickets"
)

type config struct {
	app.ServiceConfig
	app.SessionConfig
	telemetry.Volume
}

func main() { app.Main("tickets", run) }

func run(ctx context.Context, log *slog.Logger) error {
	cfg, err := app.LoadConfig[config]()
	if err != nil {
		return err
	}
	sessions, err := cfg.Sessions()
	if err != nil {
		return err
	}
	return cfg.Serve(ctx, "tickets", log, func(ctx context.Context, ports app.Ports) (app.Service, error) {
		return tickets.New(ctx, tickets.Deps{
			Store: ports.Store, Bus: ports.Bus, Sessions: sessions, Log: log, Now: time.Now, Volume: cfg.Volume,
		})
	})
}
