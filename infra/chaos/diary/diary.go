// Package diary is a service that exists to be crashed. Its replica of a ticket remembers each version that was
// applied to it. It reacts to each version by writing an entity of its own, as a service does that reserves or expires
// something because of another's event.
//
//	ticket:created, ticket:updated ──> React: own entry of this ticket, version v ──> diary:written
//	                                     └──> replica {applied: [0..v], ticket}
//
// If every event took effect exactly once and in order, each log is 0, 1, ... v and each entry stands at the version
// of its ticket. The event of an entry shows that the outbox of a reaction works too.
package diary

import (
	"context"
	"encoding/json"
	"slices"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// Name is the service's.
const Name = "diary"

// SubjectWritten is the channel of its own entities' events.
const SubjectWritten event.Subject = "diary:written"

// Config is the service's own configuration. There is none.
type Config struct{}

// page is the replica of a ticket together with the log of what was applied to it.
type page struct {
	Applied []event.Version `json:"applied"`
	Ticket  json.RawMessage `json:"ticket"`
}

// entry is the service's own entity: the version of the ticket that it was last written for.
type entry struct {
	Seen event.Version `json:"seen"`
}

// New is the service's service.Build.
func New(ctx context.Context, s *service.Service, _ Config) error {
	entries, err := service.Own(ctx, s, store.Spec{Name: "entries"}, outbox.Kind[entry]{Announce: announce})
	if err != nil {
		return err
	}
	_, err = service.React(ctx, s, replica.Kind[page]{
		Name:     "diary",
		Subjects: []event.Subject{event.SubjectTicketCreated, event.SubjectTicketUpdated},
		Decode:   decode,
	}, entries, react)
	return err
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

// announce returns the event of an entry at its version.
func announce(e outbox.Entity[entry]) (event.Subject, []byte, error) {
	data, err := json.Marshal(struct {
		ID      event.ID      `json:"id"`
		Version event.Version `json:"version"`
		entry
	}{e.ID, e.Version, e.State})
	return SubjectWritten, data, err
}
