// Package service is the kit that every service is built with. A service writes down its rules, its routes and one
// function:
//
//	func New(ctx context.Context, s *service.Service, cfg Config) error {
//		orders, err := service.Own(ctx, s, store.Spec{Name: "orders"}, orderKind()) // entities, outbox, relay
//		if err != nil {
//			return err
//		}
//		tickets, err := service.Follow(ctx, s, ticketKind()) // replica, queue group, parking
//		if err != nil {
//			return err
//		}
//		s.Routes(routes(orders, tickets))
//		return nil
//	}
//
//	func main() { service.Main("orders", orders.New) }
//
// The kit does everything else:
//
//	Main ──> environment ──> store, bus ──> Serve ──> Open ──> New
//	                                          │
//	                                          ├─> public listener: the routes
//	                                          ├─> admin listener: /healthz, /readyz, /metrics, parked events, replicas
//	                                          └─> Run: relays, consumers, background work
//
// A program that runs services in another way uses the same parts. It calls Serve with its own Deps, or Open and Run.
// Package ticketing/infra/local does, and so do the crash tests and the benchmarks.
//
// The package knows the ports only. Only Main opens adapters, through package app.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/errgroup"

	"ticketing/pkg/bus"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
	"ticketing/pkg/oncall"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
	"ticketing/pkg/store"
	"ticketing/pkg/telemetry"
)

// Deps are what a service is made from. The caller opens them, and closes them after the service has ended.
type Deps struct {
	// Name is the service's: "orders". Its queue group is Group(Name). Required.
	Name string
	// Store keeps the service's collections. It is nil for a service that keeps nothing.
	Store store.Database
	// Bus is nil for a service that neither owns nor follows entities.
	Bus bus.Conn
	// Sessions reads and writes the session cookies. It is nil for a service that has no route for people.
	Sessions *identity.Sessions
	// Log is required.
	Log *slog.Logger
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Volume is what is known of the volume that the broker's log is on.
	Volume telemetry.Volume
	// Tuning is for tests and measurements. The zero value is right everywhere else.
	Tuning Tuning
}

// Tuning changes how events are published and taken. The kit sets the clocks and the group.
type Tuning struct {
	Relay    outbox.Config
	Replica  replica.Config
	Consumer replica.ConsumerConfig
}

// Group returns the queue group and durable name of a service, as in the Node version: "orders-service".
func Group(name string) string { return name + "-service" }

// Build sets a service up: it opens what the service owns and follows, and sets its routes. It may be called again
// with a new Service after it returned an error, so it must not start anything. It returns store.ErrUnavailable if
// the store cannot be reached. It may replace the Store and the Bus before it opens anything on them.
//
// C is the service's own configuration. If it has a method Check() error, that is called before anything is opened.
type Build[C any] func(ctx context.Context, s *Service, cfg C) error

// Service is one instance of a service. The methods that a Build calls to set it up must not be called later. All
// others may be called concurrently.
type Service struct {
	Deps
	public      http.Handler
	admin       chi.Router
	adminRoutes []func(chi.Router)
	background  []func(context.Context) error
	relays      []*outbox.Relay
	followed    []followed
	desk        *oncall.Desk
	brokerLog   *telemetry.BrokerLog // nil off the bus
}

// Open makes a service. Its routes can be called at once. Events are published and taken, and other work in the
// background is done, while Run runs.
func Open[C any](ctx context.Context, deps Deps, build Build[C], cfg C) (*Service, error) {
	if deps.Name == "" || deps.Log == nil {
		return nil, errors.New("open service: a name and a log are required")
	}
	if err := check(cfg); err != nil {
		return nil, err
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &Service{Deps: deps, public: httpapi.NewRouter(deps.Log)}
	if err := build(ctx, s, cfg); err != nil {
		return nil, err
	}
	s.desk = s.newDesk()
	if s.Bus != nil {
		s.brokerLog = telemetry.NewBrokerLog(s.Bus, s.Volume, s.Now)
	}
	s.admin = s.newAdmin()
	return s, nil
}

// check checks a configuration that can be checked.
func check(cfg any) error {
	if checked, ok := cfg.(interface{ Check() error }); ok {
		return checked.Check()
	}
	return nil
}

// Routes sets what answers the public. Without it every path is 404.
func (s *Service) Routes(public http.Handler) { s.public = public }

// AdminRoutes adds routes for the people who run the service.
func (s *Service) AdminRoutes(add func(admin chi.Router)) { s.adminRoutes = append(s.adminRoutes, add) }

// Background adds work that Run does. When its ctx ends, work finishes what it has begun and returns nil. An error
// ends the service.
func (s *Service) Background(work func(ctx context.Context) error) {
	s.background = append(s.background, work)
}

// Handler answers the public.
func (s *Service) Handler() http.Handler { return s.public }

// AdminHandler answers the people who run the service. It must never be on a public listener.
func (s *Service) AdminHandler() http.Handler { return s.admin }

// Run publishes and takes events and does all other work in the background until ctx ends, then finishes what it has
// begun. The relays end last, so that they publish what the other work has written. End the HTTP server first, for the
// same reason. Call Run once.
func (s *Service) Run(ctx context.Context) error {
	publish, stopPublishing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPublishing()
	var publishing errgroup.Group
	for _, relay := range s.relays {
		publishing.Go(func() error { return relay.Run(publish) })
	}
	working, ctx := errgroup.WithContext(ctx)
	for _, work := range s.background {
		working.Go(func() error { return work(ctx) })
	}
	working.Go(func() error { // also a service without such work runs until it is told to end
		<-ctx.Done()
		return nil
	})
	err := working.Wait()
	stopPublishing()
	if err := errors.Join(err, publishing.Wait()); err != nil {
		return fmt.Errorf("run %s: %w", s.Name, err)
	}
	return nil
}
