// Package tickets is the service that owns tickets: sellers create and edit them, everybody reads them,
// and every version of one is published.
//
//	POST, PUT ──> ticket.go (rule) ──> store ──> relay ──> ticket:created, ticket:updated
//	GET       ──> store
package tickets

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/bus"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/idempotency"
	"ticketing/pkg/identity"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/telemetry"
)

// Bus is what the service needs of the bus.
type Bus interface {
	bus.Sender
	bus.HealthReporter
	bus.Inspector
}

// Deps is what the service needs. All fields are required but Volume and Relay.
type Deps struct {
	Store    store.Database
	Bus      Bus
	Sessions *identity.Sessions
	Log      *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Volume is what is known of the volume that the broker's log is on; zero where nothing is.
	Volume telemetry.Volume
	// Relay tunes the relay; the zero value stands for its defaults.
	Relay outbox.Config
}

// Service is one replica of the tickets service.
type Service struct {
	deps    Deps
	tickets *outbox.Entities[Ticket]
	keys    *idempotency.Keys
	relay   *outbox.Relay
	log     *telemetry.BrokerLog
}

// New opens the service's collection. store.ErrUnavailable where the store cannot be reached.
func New(ctx context.Context, deps Deps) (*Service, error) {
	records, err := deps.Store.Collection(ctx, store.Spec{Name: "tickets"})
	if err != nil {
		return nil, fmt.Errorf("open tickets: %w", err)
	}
	deps.Relay.Now = deps.Now
	relay := outbox.NewRelay(records, deps.Bus, deps.Relay, deps.Log)
	tickets := outbox.NewEntities(outbox.Kind[Ticket]{Announce: announce}, records, relay, deps.Now)
	keys, err := idempotency.NewKeys(deps.Sessions, tickets.Exists)
	if err != nil {
		return nil, err
	}
	log := telemetry.NewBrokerLog(deps.Bus, deps.Volume, deps.Now)
	return &Service{deps: deps, tickets: tickets, keys: keys, relay: relay, log: log}, nil
}

// Run publishes events until ctx ends and what is in memory is drained. End the HTTP server first, so
// that the events of its last requests are still published.
func (s *Service) Run(ctx context.Context) error { return s.relay.Run(ctx) }

// Checks are what the service needs to be ready. A bus that is lost later only degrades it: reads go on,
// and writes go on into the outbox.
func (s *Service) Checks() []httpapi.Check {
	return append([]httpapi.Check{
		{Name: "store", Check: s.deps.Store.Ping},
		{Name: "bus", Effect: httpapi.UnreadyAtStart, Check: func(context.Context) error { return s.deps.Bus.Health().Err() }},
	}, s.log.Checks()...)
}

// backlog is how many events wait to be published, and how often that has failed in a row.
func (s *Service) backlog() (waiting, failures int) {
	status := s.relay.Status()
	return status.Waiting, status.Failures
}

// AdminRoutes adds /metrics.
func (s *Service) AdminRoutes(admin chi.Router) {
	admin.Handle("/metrics", telemetry.Metrics{Bus: s.deps.Bus, Log: s.log, Outbox: s.backlog}.Handler())
}

// Handler serves the routes under /api/tickets.
func (s *Service) Handler() http.Handler { return s.routes() }
