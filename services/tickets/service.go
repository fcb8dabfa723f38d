// Package tickets is the service that owns tickets: sellers create and edit them, everybody reads them, and every
// version of one is published.
//
//	POST, PUT ──> ticket.go (rule) ──> store ──> relay ──> ticket:created, ticket:updated
//	GET       ──> store
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
	tickets, err := service.Own(ctx, s, store.Spec{Name: Name}, outbox.Kind[Ticket]{Announce: announce})
	if err != nil {
		return err
	}
	keys, err := idempotency.NewKeys(s.Sessions, tickets.Exists)
	if err != nil {
		return err
	}
	s.Routes((&api{s, tickets, keys}).routes())
	return nil
}
