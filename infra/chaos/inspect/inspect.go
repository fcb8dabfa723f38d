// Package inspect reads what a service's store holds, for the checker. It goes by the store port alone, so that
// it sees what is stored and not what a service makes of it.
//
//	store.Database ──> List of its collections ──> check.Books
package inspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ticketing/infra/chaos/check"
	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/payment/testcards"
	"ticketing/pkg/store"
	"ticketing/services/expiration"
	"ticketing/services/payments"
)

// page is how many records one read brings.
const page = 500

// The collections of the services, by the names they give them.
const (
	ticketCollection = "tickets"
	orderCollection  = "orders"
	entryCollection  = "entries"
	markCollection   = "replica-marks"
)

// Tickets reads the store of the tickets service.
func Tickets(ctx context.Context, db store.Database) (check.Books, error) {
	return books(ctx, db, ticketCollection, ticket, "order", orderReplica)
}

// Orders reads the store of the orders service.
func Orders(ctx context.Context, db store.Database) (check.Books, error) {
	return books(ctx, db, orderCollection, order, "ticket", ticketReplica)
}

// Payments reads the store of the payments service.
func Payments(ctx context.Context, db store.Database) (check.Books, error) {
	return books(ctx, db, payments.Collection, ownVersion, "order", orderReplica)
}

// Expiration reads the store of the expiration service.
func Expiration(ctx context.Context, db store.Database) (check.Books, error) {
	return books(ctx, db, expiration.Collection, ownVersion, "order", orderReplica)
}

// Diary reads the store of package diary's service.
func Diary(ctx context.Context, db store.Database) (check.Books, error) {
	return books(ctx, db, entryCollection, ownVersion, "diary", ticketReplica)
}

// Money reads the books of the test cards in the store of payments: the cents that are kept, by order.
func Money(ctx context.Context, db store.Database) (map[string]int64, error) {
	kept := map[string]int64{}
	return kept, each(ctx, db, testcards.Collection, func(record store.Record) error {
		var account testcards.Account
		if err := json.Unmarshal(record.State, &account); err != nil {
			return err
		}
		if account.ChargeID != "" && !account.Refunded {
			kept[record.ID] = account.Cents
		}
		return nil
	})
}

// books reads a store whose service owns one collection and keeps replicas of one kind.
func books(ctx context.Context, db store.Database, own string, complete func(store.Record, *check.Entity) error,
	kind string, replica func(store.Record) (check.Entity, error)) (check.Books, error) {
	b := check.Books{Own: map[string]check.Entity{}, Replicas: map[string]check.Entity{}}
	err := each(ctx, db, own, func(record store.Record) error {
		b.Waiting += len(record.Outbox)
		entity := check.Entity{Version: record.Version}
		if err := complete(record, &entity); err != nil {
			return err
		}
		b.Own[record.ID] = entity
		return nil
	})
	if err != nil {
		return b, err
	}
	generation, err := presentGeneration(ctx, db, kind)
	if err != nil {
		return b, err
	}
	err = each(ctx, db, fmt.Sprintf("%s-replica-%d", kind, generation), func(record store.Record) error {
		entity, err := replica(record)
		b.Replicas[record.ID] = entity
		return err
	})
	if err != nil {
		return b, err
	}
	b.Parked, err = parked(ctx, db, fmt.Sprintf("%s-parked-%d", kind, generation))
	return b, err
}

// presentGeneration returns which of a kind's generations is the present one, by the kind's mark.
func presentGeneration(ctx context.Context, db store.Database, kind string) (int, error) {
	marks, err := db.Collection(ctx, store.Spec{Name: markCollection})
	if err != nil {
		return 0, fmt.Errorf("inspect %s: %w", markCollection, err)
	}
	mark := struct{ Generation int }{1}
	record, err := marks.Get(ctx, "replayed-"+kind)
	if err == nil {
		err = json.Unmarshal(record.State, &mark)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, fmt.Errorf("inspect the mark of %s: %w", kind, err)
	}
	return mark.Generation, nil
}

// each reads a whole collection.
func each(ctx context.Context, db store.Database, name string, take func(store.Record) error) error {
	records, err := db.Collection(ctx, store.Spec{Name: name})
	if err != nil {
		return fmt.Errorf("inspect %s: %w", name, err)
	}
	for after := ""; ; {
		found, err := records.List(ctx, store.Query{After: after, Limit: page})
		if err != nil {
			return fmt.Errorf("inspect %s: %w", name, err)
		}
		for _, record := range found {
			if err := take(record); err != nil {
				return fmt.Errorf("inspect %s %s: %w", name, record.ID, err)
			}
		}
		if len(found) < page {
			return nil
		}
		after = found[page-1].ID
	}
}

// ownVersion reads nothing of an entity but its version.
func ownVersion(store.Record, *check.Entity) error { return nil }

// ticket reads a ticket as its owner stores it.
func ticket(record store.Record, entity *check.Entity) error { return readTicket(record.State, entity) }

// readTicket reads what a ticket is and who holds it.
func readTicket(data []byte, entity *check.Entity) (err error) {
	var state struct {
		OrderID string
		Sold    bool
	}
	if err := json.Unmarshal(data, &state); err != nil {
		return err
	}
	entity.Holder, entity.Sold = state.OrderID, state.Sold
	entity.Content, err = Content(data)
	return err
}

// order notes which ticket an order is for, what it costs, whether it lives, and whether it is paid.
func order(record store.Record, entity *check.Entity) error {
	var state struct {
		Status    string
		ExpiresAt time.Time
		Ticket    struct {
			ID    string
			Price event.Price
		}
	}
	if err := json.Unmarshal(record.State, &state); err != nil {
		return err
	}
	entity.Ticket, entity.Cents, entity.ExpiresAt = state.Ticket.ID, int64(state.Ticket.Price), state.ExpiresAt
	if state.Status != "cancelled" {
		entity.Holds = state.Ticket.ID
	}
	entity.Sold = state.Status == "complete"
	return nil
}

// orderReplica reads the version of an order's replica: each service keeps something else of it.
func orderReplica(record store.Record) (check.Entity, error) {
	return check.Entity{Version: record.Version, Early: len(record.Early)}, nil
}

// ticketReplica reads a replica of a ticket, with or without a log around it.
func ticketReplica(record store.Record) (check.Entity, error) {
	entity := check.Entity{Version: record.Version, Early: len(record.Early)}
	if record.Version < 0 { // a stub: only early events
		return entity, nil
	}
	var logged struct {
		Applied []int64
		Ticket  json.RawMessage
	}
	if err := json.Unmarshal(record.State, &logged); err != nil {
		return entity, err
	}
	state := json.RawMessage(record.State)
	if logged.Ticket != nil {
		entity.Log, state = logged.Applied, logged.Ticket
	}
	err := readTicket(state, &entity)
	return entity, err
}

// Content is what a ticket's seller says of it, as its owner, its replicas and the API have it, in canonical JSON.
func Content(state []byte) (string, error) {
	var fields map[string]any
	if err := json.Unmarshal(state, &fields); err != nil {
		return "", err
	}
	for _, other := range []string{"id", "version", "orderId", "sold", "waiting", "status"} {
		delete(fields, other)
	}
	canonical, err := json.Marshal(fields) // sorts the names
	return string(canonical), err
}

func parked(ctx context.Context, db store.Database, name string) ([]check.Parked, error) {
	lot, err := parking.Open(ctx, db, name, parking.Config{})
	if err != nil {
		return nil, err
	}
	var all []check.Parked
	for after, more := "", true; more; {
		entries, next, err := lot.List(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			all = append(all, check.Parked{Channel: entry.Channel, Data: string(entry.Data), Reason: string(entry.Reason)})
		}
		after, more = next, next != ""
	}
	return all, nil
}
