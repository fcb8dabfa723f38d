package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/infra/chaos/diary"
	"ticketing/pkg/app"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/services/orders"
)

// roleVariable makes this program one of the processes that it breaks.
const roleVariable = "CHAOS_ROLE"

// The processes that exist for this program only.
const (
	roleBroker = "broker"
	roleOrders = "orders"
	roleDiary  = "diary"
)

func runRole(ctx context.Context, role string, log *slog.Logger) error {
	switch role {
	case roleBroker:
		return runBroker(ctx, log)
	case roleOrders:
		return runOrders(ctx, log)
	case roleDiary:
		return runDiary(ctx, log)
	}
	return fmt.Errorf("no role %q", role)
}

// brokerConfig is a broker on its file store.
type brokerConfig struct {
	Addr        string `envconfig:"CHAOS_ADDR" required:"true"`
	MonitorAddr string `envconfig:"CHAOS_MONITOR_ADDR" required:"true"`
	Dir         string `envconfig:"CHAOS_DIR" required:"true"`
}

func runBroker(ctx context.Context, log *slog.Logger) error {
	cfg, err := app.LoadConfig[brokerConfig]()
	if err != nil {
		return err
	}
	host, port, err := hostPort(cfg.Addr)
	if err != nil {
		return err
	}
	_, monitorPort, err := hostPort(cfg.MonitorAddr)
	if err != nil {
		return err
	}
	server, err := stanserver.Start(stanserver.Config{
		Host: host, Port: port, MonitorPort: monitorPort, ClusterID: clusterID, Dir: cfg.Dir, Logger: log,
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

func hostPort(addr string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(digits)
	}
	return host, port, err
}

// member is one member of a service whose members share a process.
type member struct {
	app.ListenConfig
	app.BusConfig
}

// members are all of them, as JSON in one variable.
type members []member

// Decode reads the variable.
func (m *members) Decode(text string) error { return json.Unmarshal([]byte(text), m) }

// ordersConfig is several members of orders on one handle of one file, as a bolt file demands.
type ordersConfig struct {
	app.StoreConfig
	app.SessionConfig
	Members members `envconfig:"CHAOS_MEMBERS" required:"true"`
}

func runOrders(ctx context.Context, log *slog.Logger) (err error) {
	cfg, err := app.LoadConfig[ordersConfig]()
	if err != nil {
		return err
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
	serving, ctx := errgroup.WithContext(ctx)
	for _, m := range cfg.Members {
		serving.Go(func() (err error) {
			log := log.With("client", m.NATSClientID)
			conn, err := m.BusConfig.Open(log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, app.CloseBus(conn)) }()
			return app.Serve(ctx, m.ListenConfig, log, func(ctx context.Context) (app.Service, error) {
				return orders.New(ctx, orders.Deps{Store: db, Bus: conn, Sessions: sessions, Log: log, Now: time.Now})
			})
		})
	}
	return serving.Wait()
}

func runDiary(ctx context.Context, log *slog.Logger) error {
	cfg, err := app.LoadConfig[app.ServiceConfig]()
	if err != nil {
		return err
	}
	return cfg.Serve(ctx, "diary", log, func(ctx context.Context, ports app.Ports) (app.Service, error) {
		return diary.New(ctx, diary.Deps{Store: ports.Store, Bus: ports.Bus, Log: log, Now: time.Now})
	})
}
