// Package orders is the service that owns orders. It knows tickets only from their events.
//
//	ticket:created, ticket:updated ──> ticket.go (replica) ──> store
//	                                                             │ the ticket as it was seen
//	POST, DELETE ──> order.go (rule) <───────────────────────────┘
//	                    └──> store (one live order per ticket, by unique key)
//	                           └──> relay ──> order:created, order:cancelled
package orders

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"golang.org/x/sync/errgroup"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/idempotency"
	"ticketing/pkg/identity"
	"ticketing/pkg/oncall"
	"ticketing/pkg/outbox"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica"
	"ticketing/pkg/store"
	"ticketing/pkg/telemetry"
)

// Group is the queue group and durable name of this service, that of the Node version.
const Group = "orders-service"

// DefaultWindow is how long an order holds its ticket unless it is said otherwise.
const DefaultWindow = 15 * time.Minute

// Bus is what the service needs of the bus.
type Bus interface {
	bus.Sender
	bus.HealthReporter
	replica.Bus
}

// Deps is what the service needs. All fields are required but Volume and those of which a default is told.
type Deps struct {
	Store    store.Database
	Bus      Bus
	Sessions *identity.Sessions
	Log      *slog.Logger
	// Now is the clock.
	Now func() time.Time
	// Volume is what is known of the volume that the broker's log is on; zero where nothing is.
	Volume telemetry.Volume
	// Window is how long an order may stay unpaid. 0 stands for DefaultWindow.
	Window time.Duration
	// Relay, Replica and Consumer tune these; zero values stand for their defaults.
	Relay    outbox.Config
	Replica  replica.Config
	Consumer replica.ConsumerConfig
}

// Service is one replica of the orders service.
type Service struct {
	deps     Deps
	orders   *outbox.Entities[Order]
	keys     *idempotency.Keys
	relay    *outbox.Relay
	tickets  *replica.Replica[Ticket]
	consumer *replica.Consumer[Ticket]
	desk     *oncall.Desk
	log      *telemetry.BrokerLog
}

// New opens the service's collections. store.ErrUnavailable where the store cannot be reached; another
// error where the window is negative, as every order would have expired before it is made.
func New(ctx context.Context, deps Deps) (*Service, error) {
	if deps.Window == 0 {
		deps.Window = DefaultWindow
	}
	if deps.Window < 0 {
		return nil, fmt.Errorf("order window is %v, must be positive", deps.Window)
	}
	deps.Relay.Now, deps.Replica.Now, deps.Consumer.Group = deps.Now, deps.Now, Group
	records, err := deps.Store.Collection(ctx, store.Spec{Name: "orders", Indexes: []string{userIndex}})
	if err != nil {
		return nil, fmt.Errorf("open orders: %w", err)
	}
	tickets, err := replica.Open(ctx, ticketKind(), deps.Store, deps.Replica, deps.Log)
	if err != nil {
		return nil, err
	}
	relay := outbox.NewRelay(records, deps.Bus, deps.Relay, deps.Log)
	orders := outbox.NewEntities(kind(), records, relay, deps.Now)
	keys, err := idempotency.NewKeys(deps.Sessions, orders.Exists)
	if err != nil {
		return nil, err
	}
	consumer := replica.NewConsumer(tickets, deps.Bus, deps.Consumer, deps.Log)
	return &Service{
		deps:     deps,
		orders:   orders,
		keys:     keys,
		relay:    relay,
		tickets:  tickets,
		consumer: consumer,
		log:      telemetry.NewBrokerLog(deps.Bus, deps.Volume, deps.Now),
		desk: &oncall.Desk{
			Kinds: []oncall.Kind{{Replica: tickets, Rebuilder: consumer}}, Log: deps.Log, Now: deps.Now,
		},
	}, nil
}

// Run takes and publishes events until ctx ends and both are finished. End the HTTP server first, so
// that the events of its last requests are still published.
func (s *Service) Run(ctx context.Context) error {
	var running errgroup.Group
	running.Go(func() error { return s.relay.Run(ctx) })
	running.Go(func() error { return s.consumer.Run(ctx) })
	return running.Wait()
}

// Checks are what the service needs to be ready. A bus that is lost later only degrades it: reads go on,
// and writes go on into the outbox.
func (s *Service) Checks() []httpapi.Check {
	return append([]httpapi.Check{
		{Name: "store", Check: s.deps.Store.Ping},
		{Name: "bus", Effect: httpapi.UnreadyAtStart, Check: func(context.Context) error { return s.deps.Bus.Health().Err() }},
		{Name: "tickets", Effect: httpapi.UnreadyAtStart, Check: func(context.Context) error { return s.consumer.Ready() }},
		{Name: "gaps", Effect: httpapi.Degraded, Check: s.desk.CheckGaps},
		{Name: "retention", Effect: httpapi.Degraded, Check: s.tickets.CheckLoss},
	}, s.log.Checks()...)
}

// backlog is how many events wait to be published, and how often that has failed in a row.
func (s *Service) backlog() (waiting, failures int) {
	status := s.relay.Status()
	return status.Waiting, status.Failures
}

// AdminRoutes adds /metrics and what the person on call asks; see oncall.Desk.
func (s *Service) AdminRoutes(admin chi.Router) {
	s.desk.Routes(admin)
	admin.Handle("/metrics", telemetry.Metrics{
		Bus: s.deps.Bus, Group: Group, Log: s.log, Outbox: s.backlog, Replicas: s.desk,
	}.Handler())
}

// Ticket returns a ticket as this service has seen it and the version that is. store.ErrNotFound where
// it has not.
func (s *Service) Ticket(ctx context.Context, id event.ID) (Ticket, event.Version, error) {
	return s.tickets.Get(ctx, id)
}

// Parking is where events are that this service could not use.
func (s *Service) Parking() *parking.Lot { return s.tickets.Parking() }

// Handler serves the routes under /api/orders.
func (s *Service) Handler() http.Handler { return s.routes() }
