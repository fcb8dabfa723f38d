package local

import (
	"context"
	"errors"
	"fmt"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/service"
)

// member is one instance of a service.
type member struct {
	name    string // its own
	path    string // empty for a service without a public route
	service *service.Service
	conn    bus.Conn // nil off the bus

	leaveGateway func()
	endRun       context.CancelFunc
	ended        chan error
}

// open connects a new member of a service to the bus and opens it. The members of a service share the store's handle and
// the group, but each has a connection of its own.
func (s *System) open(ctx context.Context, of part, name, natsURL string) (*member, error) {
	m := member{name: name, path: of.path}
	deps := service.Deps{
		Name: of.name, Sessions: s.sessions, Log: s.log.With("service", name), Volume: s.cfg.Volume,
	}
	if !of.offStore {
		deps.Store = s.stores[of.name]
	}
	var err error
	if !of.offBus {
		if m.conn, err = s.busConfig(name, natsURL).Open(deps.Log); err != nil {
			return nil, err
		}
		deps.Bus = m.conn
	}
	if m.service, err = of.open(ctx, deps); err != nil {
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
	m.leaveGateway = func() {}
	if m.path != "" {
		u := g.add(m.path, m.service.Handler())
		m.leaveGateway = func() { g.remove(m.path, u) }
	}
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
