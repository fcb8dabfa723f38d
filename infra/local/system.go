// Package local is the whole system in one process, for `make run` and for the tests that need all of it.
//
//	           ┌─ /api/users ───> auth ─────────────────> auth.db
//	gateway ───┼─ /api/tickets ─> tickets ──────────────> tickets.db
//	           ├─ /api/orders ──> orders-1, orders-2 ───> orders.db
//	           ├─ /api/payments > payments ─────────────> payments.db
//	           └─ / ────────────> web
//	                              expiration ───────────> expiration.db
//	                                  │  each a bus connection of its own
//	                     embedded NATS Streaming ───────> nats/
//
// parts.go lists the services. They, the adapters and the broker are those of a deployment; only the stores are files and the
// gateway calls the services without a network between. Everything is under one data folder, and a start
// goes on where the last one stopped.
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/errgroup"

	"ticketing/pkg/app"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
	"ticketing/pkg/store/bolt"
)

// SyncedFiles is how many files a system may have synced at the same time: those of its stores and the broker. See
// app.AllowForSyncs.
const SyncedFiles = 6

// System is a running system. Start makes it, Run serves it, and Run or Stop ends it.
type System struct {
	cfg      Config
	log      *slog.Logger
	sessions *identity.Sessions
	listener net.Listener
	gateway  *gateway
	admin    net.Listener
	broker   *stanserver.Server
	stores   map[string]*bolt.DB // by service
	members  []*member
	oncall   http.Handler // every service's admin routes
}

// Start starts everything and returns when it is ready: groups joined and history replayed. Anything that
// prevents it is one error, and then nothing is left running.
func Start(ctx context.Context, cfg Config, log *slog.Logger) (*System, error) {
	s := &System{cfg: cfg, log: log, gateway: newGateway(), stores: map[string]*bolt.DB{}}
	for _, step := range []func(context.Context) error{
		s.listen, s.prepareData, s.startBroker, s.openStores, s.startMembers, s.awaitReady,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, s.Stop())
		}
	}
	s.oncall = s.adminHandler()
	return s, nil
}

// Run answers requests until ctx ends, then stops everything in order and returns when it has: no new
// requests, running ones answered, events finished, bus left, stores closed, broker down.
func (s *System) Run(ctx context.Context) error {
	log := s.log.With("service", "gateway")
	var serving errgroup.Group
	serving.Go(func() error { return httpapi.Serve(ctx, s.listener, s.gateway, log) })
	serving.Go(func() error { return httpapi.Serve(ctx, s.admin, s.oncall, log) })
	err := serving.Wait()
	s.listener, s.admin = nil, nil // closed
	return errors.Join(err, s.Stop())
}

// adminHandler serves each service's admin routes under the service's name. The members of orders share
// their store, so the first of them answers for both.
func (s *System) adminHandler() http.Handler {
	r := chi.NewRouter()
	mounted := map[string]bool{}
	for _, m := range s.members {
		if name := m.service.Name; !mounted[name] {
			mounted[name] = true
			r.Mount("/"+name, http.StripPrefix("/"+name, m.service.AdminHandler()))
		}
	}
	return r
}

// GatewayURL is where clients send their requests.
func (s *System) GatewayURL() string { return "http://" + s.listener.Addr().String() }

// AdminURL is where the person on call asks; the service's name follows, as in /orders/parked.
func (s *System) AdminURL() string { return "http://" + s.admin.Addr().String() }

// NATSURL is where clients of the broker connect.
func (s *System) NATSURL() string { return s.broker.URL() }

// MonitorURL is the broker's HTTP monitoring.
func (s *System) MonitorURL() string { return s.broker.MonitorURL() }

func (s *System) listen(ctx context.Context) (err error) {
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.GatewayAddr); err != nil {
		return fmt.Errorf("GATEWAY_ADDR: %w", err)
	}
	if s.admin, err = new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.AdminAddr); err != nil {
		return fmt.Errorf("ADMIN_ADDR: %w", err)
	}
	return nil
}

func (s *System) prepareData(context.Context) error {
	if err := prepareDataDir(s.cfg.DataDir); err != nil {
		return err
	}
	key, err := sessionKey(s.cfg)
	if err != nil {
		return err
	}
	s.sessions, err = app.SessionConfig{
		JWTKey: string(key), SessionTTL: s.cfg.SessionTTL, SessionCookie: s.cfg.SessionCookie,
	}.Sessions()
	return err
}

func (s *System) startBroker(context.Context) error {
	host, port, err := hostPort("NATS_ADDR", s.cfg.NATSAddr)
	if err != nil {
		return err
	}
	monitorHost, monitorPort, err := hostPort("NATS_MONITOR_ADDR", s.cfg.MonitorAddr)
	if err != nil {
		return err
	}
	if host != monitorHost {
		return fmt.Errorf("NATS_ADDR and NATS_MONITOR_ADDR must have one host, not %q and %q", host, monitorHost)
	}
	s.broker, err = stanserver.Start(stanserver.Config{
		Host: host, Port: port, MonitorPort: monitorPort, ClusterID: ClusterID,
		Dir: filepath.Join(s.cfg.DataDir, "nats"), Logger: s.log.With("service", "nats"),
		User: s.cfg.User, Password: s.cfg.Password, Token: s.cfg.Token,
	})
	return err
}

func (s *System) openStores(context.Context) error {
	for _, p := range s.parts() {
		if p.offStore {
			continue
		}
		db, err := bolt.Open(filepath.Join(s.cfg.DataDir, p.name+".db"))
		if err != nil {
			return err
		}
		s.stores[p.name] = db
	}
	return nil
}

func (s *System) startMembers(ctx context.Context) error {
	for _, p := range s.parts() {
		for _, name := range p.memberNames() {
			m, err := s.open(ctx, p, name, s.NATSURL())
			if err != nil {
				return err
			}
			s.members = append(s.members, m)
			m.start(s.gateway)
		}
	}
	return nil
}

func (s *System) awaitReady(ctx context.Context) error {
	for _, m := range s.members {
		if err := m.service.AwaitReady(ctx); err != nil {
			return fmt.Errorf("start %s: %w", m.name, err)
		}
	}
	return nil
}

// Stop ends what Start has started, for a system that Run does not serve.
func (s *System) Stop() error {
	var stopping errgroup.Group
	for _, m := range s.members {
		stopping.Go(m.stop)
	}
	errs := []error{stopping.Wait()}
	for _, db := range s.stores {
		errs = append(errs, db.Close())
	}
	if s.broker != nil {
		s.broker.Shutdown()
	}
	for _, ln := range []net.Listener{s.listener, s.admin} {
		if ln != nil {
			errs = append(errs, ln.Close())
		}
	}
	return errors.Join(errs...)
}
