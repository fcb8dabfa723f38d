package local

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/httpapi"
	"ticketing/services/auth"
	"ticketing/services/orders"
	"ticketing/services/tickets"
)

// The paths of the services, as in infra/k8s.
const (
	usersPath   = "/api/users"
	ticketsPath = "/api/tickets"
	ordersPath  = "/api/orders"
)

// member is one replica of a service.
type member struct {
	name    string // its own
	role    string // its service's, and the path of that on the admin listener
	path    string
	service app.Service
	conn    bus.Conn // nil where the service has no bus

	leaveGateway func()
	endRun       context.CancelFunc
	ended        chan error
}

func (s *System) newAuth(ctx context.Context) (*member, error) {
	service, err := auth.New(ctx, auth.Deps{
		Store: s.users, Sessions: s.sessions, Log: s.log.With("service", "auth"), Now: time.Now, PasswordCost: s.cfg.passwordCost,
		Limits: s.cfg.Limits,
	})
	return &member{name: "auth", role: "auth", path: usersPath, service: service}, err
}

func (s *System) newTickets(ctx context.Context) (*member, error) {
	log := s.log.With("service", "tickets")
	conn, err := s.busConfig("tickets", s.NATSURL()).Open(log)
	if err != nil {
		return nil, err
	}
	service, err := tickets.New(ctx, tickets.Deps{
		Store: s.tickets, Bus: conn, Sessions: s.sessions, Log: log, Now: time.Now, Volume: s.cfg.Volume,
	})
	if err != nil {
		return nil, errors.Join(err, app.CloseBus(conn))
	}
	return &member{name: "tickets", role: "tickets", path: ticketsPath, service: service, conn: conn}, nil
}

// newOrders makes one of several members of orders: they share the store's handle, and the group, but
// have a connection each.
func (s *System) newOrders(ctx context.Context, name, natsURL string) (*member, error) {
	log := s.log.With("service", name)
	conn, err := s.busConfig(name, natsURL).Open(log)
	if err != nil {
		return nil, err
	}
	service, err := orders.New(ctx, orders.Deps{
		Store: s.orders, Bus: conn, Sessions: s.sessions, Log: log, Now: time.Now, Window: s.cfg.OrderWindow, Volume: s.cfg.Volume,
	})
	if err != nil {
		return nil, errors.Join(err, app.CloseBus(conn))
	}
	return &member{name: name, role: "orders", path: ordersPath, service: service, conn: conn}, nil
}

func (s *System) busConfig(clientID, natsURL string) app.BusConfig {
	return app.BusConfig{
		NATSURL: natsURL, NATSMonitorURL: s.MonitorURL(), NATSClusterID: ClusterID, NATSClientID: clientID,
		Credentials: s.cfg.Credentials,
	}
}

// start runs the member's background work and lets the gateway send it requests.
func (m *member) start(g *gateway) {
	ctx, cancel := context.WithCancel(context.Background())
	m.endRun = cancel
	m.ended = make(chan error, 1)
	go func() { m.ended <- m.service.Run(ctx) }() // stop waits for it
	u := g.add(m.path, m.service.Handler())
	m.leaveGateway = func() { g.remove(m.path, u) }
}

// awaitReady waits until every check passes that the service is unready without.
func (m *member) awaitReady(ctx context.Context) error {
	for {
		err := m.check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", m.name, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (m *member) check(ctx context.Context) error {
	for _, c := range m.service.Checks() {
		if err := c.Check(ctx); err != nil && c.Effect != httpapi.Degraded {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

// stop takes the member out of the gateway, lets it finish, and leaves the bus.
func (m *member) stop() error {
	m.leaveGateway()
	m.endRun()
	err := <-m.ended
	if m.conn != nil {
		err = errors.Join(err, app.CloseBus(m.conn))
	}
	if err != nil {
		return fmt.Errorf("stop %s: %w", m.name, err)
	}
	return nil
}
