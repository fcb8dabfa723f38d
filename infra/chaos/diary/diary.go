// Package diary is a service that exists to be crashed: it keeps a replica of every ticket that remembers each
// version that was applied to it, and reacts to each version by writing an entity of its own, as a service does
// that reserves or expires something because of another's event.
//
//	ticket:created, ticket:updated ──> React: own entry of this ticket, version v ──> diary:written
//	                                     └──> replica {applied: [0..v], ticket}
//
// If every event took effect exactly once and in order, each log is 0, 1, ... v and each entry stands at the
// version of its ticket. The event of an entry tells that the outbox of a reaction works too.
package diary

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// Group is the queue group and durable name of this service.
const Group = "diary-service"

// SubjectWritten is the channel of its own entities' events.
const SubjectWritten event.Subject = "diary:written"

// Bus is what the service needs of the bus.
type Bus interface {
	bus.Sender
	replica.Bus
}

// Deps is what the service needs.
type Deps struct {
	Store store.Database
	Bus   Bus
	Log   *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// page is the replica of a ticket together with the log of what was applied to it.
type page struct {
	Applied []event.Version `json:"applied"`
	Ticket  json.RawMessage `json:"ticket"`
}

// entry is the service's own entity: the version of the ticket that it was last written for.
type entry struct {
	Seen event.Version `json:"seen"`
}

// Service is one replica of the service.
type Service struct {
	deps     Deps
	entries  *outbox.Entities[entry]
	relay    *outbox.Relay
	consumer *replica.Consumer[page]
}

// New opens the service's collections. store.ErrUnavailable where the store cannot be reached.
func New(ctx context.Context, deps Deps) (*Service, error) {
	records, err := deps.Store.Collection(ctx, store.Spec{Name: "entries"})
	if err != nil {
		return nil, fmt.Errorf("open entries: %w", err)
	}
	s := &Service{deps: deps, relay: outbox.NewRelay(records, deps.Bus, outbox.Config{Now: deps.Now}, deps.Log)}
	s.entries = outbox.NewEntities(outbox.Kind[entry]{Announce: announce}, records, s.relay, deps.Now)
	pages, err := replica.Open(ctx, s.kind(), deps.Store, replica.Config{Now: deps.Now}, deps.Log)
	if err != nil {
		return nil, err
	}
	s.consumer = replica.NewConsumer(pages, deps.Bus, replica.ConsumerConfig{Group: Group}, deps.Log)
	return s, nil
}

// Run takes and publishes events until ctx ends and both are finished.
func (s *Service) Run(ctx context.Context) error {
	var running errgroup.Group
	running.Go(func() error { return s.relay.Run(ctx) })
	running.Go(func() error { return s.consumer.Run(ctx) })
	return running.Wait()
}

// Checks are what the service needs to be ready.
func (s *Service) Checks() []httpapi.Check {
	return []httpapi.Check{
		{Name: "store", Check: s.deps.Store.Ping},
		{Name: "tickets", Check: func(context.Context) error { return s.consumer.Ready() }},
	}
}

// Handler serves nothing.
func (s *Service) Handler() http.Handler { return http.NotFoundHandler() }

func (s *Service) kind() replica.Kind[page] {
	return replica.Kind[page]{
		Name:     "diary",
		Subjects: []event.Subject{event.SubjectTicketCreated, event.SubjectTicketUpdated},
		Decode:   decode,
		React:    service.Reactor(s.entries, react),
	}
}

// decode reads either event of a ticket.
func decode(subject event.Subject, data []byte) (replica.Change[page], error) {
	payload, err := event.Decode[event.Ticket](subject, data)
	if err != nil {
		return replica.Change[page]{}, err
	}
	return replica.Change[page]{ID: payload.ID, Version: payload.Version, Apply: func(before page) page {
		after := page{Applied: before.Applied, Ticket: data}
		if n := len(before.Applied); n == 0 || before.Applied[n-1] != payload.Version {
			after.Applied = append(slices.Clone(before.Applied), payload.Version)
		}
		return after
	}}, nil
}

// react writes the entry of a ticket for this version, unless it has been written for it already.
func react(turn replica.Turn[page]) (event.ID, func(outbox.Entity[entry]) (entry, error)) {
	return turn.ID, func(e outbox.Entity[entry]) (entry, error) {
		if e.Version != event.None && e.State.Seen >= turn.Version {
			return e.State, outbox.ErrNoChange
		}
		return entry{Seen: turn.Version}, nil
	}
}

// announce is the event that tells the others of an entry at its version.
func announce(e outbox.Entity[entry]) (event.Subject, []byte, error) {
	data, err := json.Marshal(struct {
		ID      event.ID      `json:"id"`
		Version event.Version `json:"version"`
		entry
	}{e.ID, e.Version, e.State})
	return SubjectWritten, data, err
}
