// Package tickets is the service that owns tickets: sellers create and edit them, orders hold them, everybody reads them,
// and every version of one is published.
//
//	POST, PUT                                           ──> ticket.go (rules) ──> store ──> relay ──> ticket:created,
//	order:created, :cancelled, :completed ──> order.go ──> claim.go (rules) ──┘                      ticket:updated
//	GET ──> list.go ──> store
package tickets

import (
	"context"

	"ticketing/pkg/idempotency"
	"ticketing/pkg/outbox"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// Name is the service's.
const Name = "tickets"

// Config is the service's own configuration. There is none yet.
type Config struct{}

// api answers the requests of the service.
type api struct {
	*service.Service
	tickets *outbox.Entities[Ticket]
	keys    *idempotency.Keys
}

// New is the service's service.Build.
func New(ctx context.Context, s *service.Service, _ Config) error {
	spec := store.Spec{Name: Name, Indexes: []string{statusIndex, sellerIndex}}
	tickets, err := service.Own(ctx, s, spec, kind())
	if err != nil {
		return err
	}
	if _, err := service.React(ctx, s, orderKind(), tickets, follow); err != nil {
		return err
	}
	keys, err := idempotency.NewKeys(s.Sessions, tickets.Exists)
	if err != nil {
		return err
	}
	s.Routes((&api{s, tickets, keys}).routes())
	return nil
}
