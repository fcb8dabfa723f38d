// Package tickets is the service that owns tickets: sellers create and edit them, everybody reads them, and every
// version of one is published.
//
//	POST, PUT ──> ticket.go (rule) ──> store ──> relay ──> ticket:created, ticket:updated
//	GET       ──> store
package tickets

import (
	"context"

	"ticketing/pkg/outbox"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// Name is the service's.
const Name = "tickets"

// Config is the service's own configuration. There is none yet.
type Config struct{}

// Service answers the requests of the tickets service.
type Service struct {
	deps    *service.Service
	tickets *outbox.Entities[Ticket]
}

// New is the service's service.Build.
func New(ctx context.Context, s *service.Service, _ Config) error {
	tickets, err := service.Own(ctx, s, store.Spec{Name: Name}, outbox.Kind[Ticket]{Announce: announce})
	if err != nil {
		return err
	}
	s.Routes((&Service{s, tickets}).routes())
	return nil
}
