// Command orders runs one replica of the orders service, configured by the environment.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/telemetry"
	"ticketing/services/orders"
)

type config struct {
	app.ServiceConfig
	app.SessionConfig
	telemetry.Volume
	// Window is how long an order may stay unpaid.
	Window time.Duration `envconfig:"ORDER_WINDOW" default:"15m"`
}

func main() { app.Main("orders", run) }

func run(ctx context.Context, log *slog.Logger) error {
	cfg, err := app.LoadConfig[config]()
	if err != nil {
		return err
	}
	if cfg.Window <= 0 {
		return fmt.Errorf("ORDER_WINDOW: %v is not positive", cfg.Window)
	}
	sessions, err := cfg.Sessions()
	if err != nil {
		return err
	}
	return cfg.Serve(ctx, "orders", log, func(ctx context.Context, ports app.Ports) (app.Service, error) {
		return orders.New(ctx, orders.Deps{
			Store: ports.Store, Bus: ports.Bus, Sessions: sessions, Log: log, Now: time.Now, Volume: cfg.Volume, Window: cfg.Window,
		})
	})
}
