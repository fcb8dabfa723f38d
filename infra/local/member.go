package local

import (
	"context"
	"errors"
	"fmt"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/service"
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

// member is one instance of a service.
type member struct {
	name    string // its own
	path    string
	natsURL string // empty for a service off the bus
	service *service.Service
	conn    bus.Conn // nil off the bus

	leaveGateway func()
	endRun       context.CancelFunc
	ended        chan error
}

func (s *System) newAuth(ctx context.Context) (*member, error) {
	return open(ctx, s, member{name: auth.Name, path: usersPath}, service.Deps{Name: auth.Name, Store: s.users},
		auth.New, auth.Config{Limits: s.cfg.Limits, PasswordCost: s.cfg.passwordCost})
}

func (s *System) newTickets(ctx context.Context) (*member, error) {
	return open(ctx, s, member{name: tickets.Name, path: ticketsPath, natsURL: s.NATSURL()},
		service.Deps{Name: tickets.Name, Store: s.tickets}, tickets.New, tickets.Config{})
}

// newOrders makes one of several members of orders. They share the store's handle and the group, but each has a
// connection of its own.
func (s *System) newOrders(ctx context.Context, name, natsURL string) (*member, error) {
	return open(ctx, s, member{name: name, path: ordersPath, natsURL: natsURL},
		service.Deps{Name: orders.Name, Store: s.orders}, orders.New, orders.Config{Window: s.cfg.OrderWindow})
}

// open connects a member to the bus and opens its service.
func open[C any](ctx context.Context, s *System, m member, deps service.Deps, build service.Build[C], cfg C) (_ *member, err error) {
	deps.Sessions, deps.Log, deps.Volume = s.sessions, s.log.With("service", m.name), s.cfg.Volume
	if m.natsURL != "" {
		if m.conn, err = s.busConfig(m.name, m.natsURL).Open(deps.Log); err != nil {
			return nil, err
		}
		deps.Bus = m.conn
	}
	if m.service, err = service.Open(ctx, deps, build, cfg); err != nil {
		return nil, errors.Join(err, m.leaveBus())
	}
	return &m, nil
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

// stop takes the member out of the gateway, lets it finish, and leaves the bus.
func (m *member) stop() error {
	m.leaveGateway()
	m.endRun()
	err := <-m.ended
	if err = errors.Join(err, m.leaveBus()); err != nil {
		return fmt.Errorf("stop %s: %w", m.name, err)
	}
	return nil
}

func (m *member) leaveBus() error {
	if m.conn == nil {
		return nil
	}
	return app.CloseBus(m.conn)
}
