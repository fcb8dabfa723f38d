// Package orders is the service that owns orders. It knows tickets only from their events.
//
//	ticket:created, ticket:updated ──> ticket.go (replica) ──> store
//	                                                             │ the ticket as it was seen
//	POST, DELETE ──> order.go (rules) <──────────────────────────┘
//	                    │   ^
//	                    │   └── facts.go <── expiration:complete, payment:created
//	                    └──> store (one live order per ticket, by unique key)
//	                           └──> relay ──> order:created, order:cancelled, order:completed
package orders

import (
	"context"
	"fmt"
	"time"

	"ticketing/pkg/idempotency"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// Name is the service's.
const Name = "orders"

// DefaultWindow is how long an order holds its ticket if the environment does not say otherwise.
const DefaultWindow = 15 * time.Minute

// Config is the service's own configuration.
type Config struct {
	// Window is how long an order may stay unpaid. It must be positive.
	Window time.Duration `envconfig:"ORDER_WINDOW" default:"15m"`
}

// Check returns an error if the configuration cannot be used.
func (c Config) Check() error {
	if c.Window <= 0 {
		return fmt.Errorf("ORDER_WINDOW: %v is not positive", c.Window)
	}
	return nil
}

// api answers the requests of the service.
type api struct {
	*service.Service
	Config
	orders  *outbox.Entities[Order]
	tickets *replica.Replica[Ticket]
	keys    *idempotency.Keys
}

// New is the service's service.Build.
func New(ctx context.Context, s *service.Service, cfg Config) error {
	orders, err := service.Own(ctx, s, store.Spec{Name: Name, Indexes: []string{userIndex}}, kind())
	if err != nil {
		return err
	}
	tickets, err := service.Follow(ctx, s, ticketKind())
	if err != nil {
		return err
	}
	if _, err := service.React(ctx, s, expirationKind(), orders, expire); err != nil {
		return err
	}
	if _, err := service.React(ctx, s, paymentKind(), orders, cashier{s.Log}.pay); err != nil {
		return err
	}
	keys, err := idempotency.NewKeys(s.Sessions, orders.Exists)
	if err != nil {
		return err
	}
	s.Routes((&api{s, cfg, orders, tickets, keys}).routes())
	return nil
}
