package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"golang.org/x/sync/errgroup"

	"ticketing/infra/chaos/diary"
	"ticketing/pkg/app"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/service"
	"ticketing/services/orders"
)

// roleVariable makes this program one of the processes that it breaks.
const roleVariable = "CHAOS_ROLE"

// The processes that exist for this program only.
const (
	roleBroker = "broker"
	roleOrders = "orders"
	roleDiary  = diary.Name
)

// runRole runs this process in its role and never returns.
func runRole(role string) {
	switch role {
	case roleBroker:
		app.Main(role, runBroker)
	case roleOrders:
		app.Main(role, runOrders)
	case roleDiary:
		service.Main(role, diary.New)
	}
	app.Main(role, func(context.Context, *slog.Logger) error { return fmt.Errorf("no role %q", role) })
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
	orders.Config
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
	db, err := cfg.StoreConfig.Open(orders.Name)
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
			deps := service.Deps{Name: orders.Name, Store: db, Bus: conn, Sessions: sessions, Log: log}
			return service.Serve(ctx, m.ListenConfig, deps, orders.New, cfg.Config)
		})
	}
	return serving.Wait()
}
