// Command orders runs one replica of the orders service, configured by the environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/oncall"
	"ticketing/services/orders"
)

type config struct {
	app.ListenConfig
	app.StoreConfig
	app.BusConfig
	app.SessionConfig
	oncall.Volume
	// Window is how long an order may stay unpaid.
	Window time.Duration `envconfig:"ORDER_WINDOW" default:"15m"`
}

func main() { app.Main("orders", run) }

func run(ctx context.Context, log *slog.Logger) (err error) {
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
	db, err := cfg.StoreConfig.Open("orders")
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
		return orders.New(ctx, orders.Deps{
			Store: db, Bus: conn, Sessions: sessions, Log: log, Now: time.Now, Volume: cfg.Volume, Window: cfg.Window,
		})
	})
}
