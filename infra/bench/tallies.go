package main

import (
	"context"
	"encoding/json"
	"fmt"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

const (
	tallyName                    = "tally"
	subjectTallied event.Subject = "tally:changed"
)

// tally is an entity of a service that reacts: what has happened to one ticket.
type tally struct {
	Seen    event.Version `json:"seen"` // of the ticket
	Changes int           `json:"changes"`
	Price   int64         `json:"price"`
}

// startTallies runs one instance of the reacting service until until is closed. What it returns waits until that
// many events of tallies are published and forgotten.
func startTallies(ctx context.Context, env *environment, until *cleanup, db store.Database, conn bus.Conn, events int) (*drained, error) {
	records, err := db.Collection(ctx, store.Spec{Name: "tallies"})
	if err != nil {
		return nil, err
	}
	published := newDrained(records, events)
	tallies, err := service.Open(ctx, service.Deps{
		Name: tallyName, Store: talliedDatabase{db, published}, Bus: conn, Log: env.log,
	}, buildTallies, struct{}{})
	if err != nil {
		return nil, err
	}
	background(until, tallies.Run)
	return published, nil
}

func buildTallies(ctx context.Context, s *service.Service, _ struct{}) error {
	own, err := service.Own(ctx, s, store.Spec{Name: "tallies"}, outbox.Kind[tally]{Announce: announceTally})
	if err != nil {
		return err
	}
	_, err = service.React(ctx, s, replica.Kind[event.Ticket]{
		Name:     "ticket",
		Subjects: []event.Subject{event.SubjectTicketCreated, event.SubjectTicketUpdated},
		Decode:   decodeTicket,
	}, own, tallyTicket)
	return err
}

// talliedDatabase is a database whose tallies are watched.
type talliedDatabase struct {
	store.Database
	tallies *drained
}

// Collection implements store.Database.
func (d talliedDatabase) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	if spec.Name == "tallies" {
		return d.tallies, nil
	}
	return d.Database.Collection(ctx, spec)
}

func decodeTicket(subject event.Subject, data []byte) (replica.Change[event.Ticket], error) {
	ticket, err := event.Decode[event.Ticket](subject, data)
	if err != nil {
		return replica.Change[event.Ticket]{}, err
	}
	return replica.Change[event.Ticket]{
		ID: ticket.ID, Version: ticket.Version, Whole: true, Apply: func(event.Ticket) event.Ticket { return ticket },
	}, nil
}

// tallyTicket counts this version of a ticket in its tally, unless it is counted already.
func tallyTicket(turn replica.Turn[event.Ticket]) (event.ID, func(outbox.Entity[tally]) (tally, error)) {
	return turn.ID, func(e outbox.Entity[tally]) (tally, error) {
		if e.Version != event.None && e.State.Seen >= turn.Version {
			return e.State, outbox.ErrNoChange
		}
		return tally{Seen: turn.Version, Changes: e.State.Changes + 1, Price: int64(turn.After.Price)}, nil
	}
}

// announceTally is the event of a tally at its version.
func announceTally(e outbox.Entity[tally]) (event.Subject, []byte, error) {
	data, err := json.Marshal(struct {
		ID      event.ID      `json:"id"`
		Version event.Version `json:"version"`
		tally
	}{e.ID, e.Version, e.State})
	if err != nil {
		return "", nil, fmt.Errorf("encode tally %s: %w", e.ID, err)
	}
	return subjectTallied, data, nil
}
