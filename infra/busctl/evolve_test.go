package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/event"
	"ticketing/pkg/replica"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// earlierTicket is a service's state from before tickets had an orderId.
type earlierTicket struct {
	Title string      `json:"title"`
	Price event.Price `json:"price"`
}

// ticketNow is its state today. It always writes the field, unlike the source.
type ticketNow struct {
	earlierTicket
	OrderID string `json:"orderId"`
}

// earlierEvent is a ticket:updated of that time, for the golden ticket:created.
const earlierEvent = "../../pkg/event/testdata/earlier/ticket_updated.orderId.json"

// TestAFieldIsAdded gives today's program what the program of before has left: its replicas and its history.
func TestAFieldIsAdded(t *testing.T) {
	updated, err := os.ReadFile(earlierEvent)
	if err != nil {
		t.Fatal(err)
	}
	created := goldenEvent(t, event.SubjectTicketCreated)
	synctest.Test(t, func(t *testing.T) {
		// Given a history and a replica of before.
		server, db := membus.New(t), memstore.New()
		source := server.Connect("source")
		publish := func(subject event.Subject, data string) {
			if err := source.Publish(t.Context(), string(subject), []byte(data)); err != nil {
				t.Fatal(err)
			}
		}
		publish(event.SubjectTicketCreated, created)
		for version := 1; version < 3; version++ {
			publish(event.SubjectTicketUpdated, atVersion(t, updated, version))
		}
		publish(event.SubjectTicketUpdated, string(updated))
		_, before, stop := runTickets(t, db, server, func(p event.Ticket) earlierTicket { return earlierTicket{p.Title, p.Price} })
		synctest.Wait()
		if err := before.Ready(); err != nil {
			t.Fatal(err)
		}
		stop()

		// When today's program takes over, then the replica does not differ from its source, which lacks the field.
		now := func(p event.Ticket) ticketNow { return ticketNow{earlierTicket{p.Title, p.Price}, string(p.OrderID)} }
		r, consumer, _ := runTickets(t, db, server, now)
		const free, reserved = `{"title":"concert","price":10.05}`, `{"title":"concert","price":10.05,"orderId":"65a1b2c3d4e5f60718293aff"}`
		wantDifference(t, "taken over", r, free, "")
		// And an event that comes again is the same as the state of before: it is not a conflict.
		publish(event.SubjectTicketUpdated, string(updated))
		synctest.Wait()
		wantNothingParked(t, r)
		// And the old history can be rebuilt.
		if err := consumer.StartRebuild(false); err != nil {
			t.Fatal(err)
		}
		for consumer.Rebuild().Running {
			time.Sleep(time.Second) // of the bubble
		}
		if done := consumer.Rebuild(); done.Error != "" {
			t.Fatalf("rebuild: %s", done.Error)
		}
		wantNothingParked(t, r)
		wantDifference(t, "rebuilt", r, free, "")

		// When the source has a value in the field, then the replica differs until it is resynced.
		wantDifference(t, "reserved at the source", r, reserved, otherContent)
		document := fmt.Sprintf(`{"id":"65a1b2c3d4e5f60718293a4b","version":3,"userId":"65a1b2c3d4e5f60718293a00",%s`, reserved[1:])
		if changed, err := r.Resync(t.Context(), []byte(document), event.None); err != nil || !changed {
			t.Errorf("resync: %t, %v", changed, err)
		}
		wantDifference(t, "resynced", r, reserved, "")
		wantDifference(t, "free again at the source", r, free, otherContent)
	})
}

// runTickets opens replicas of tickets in db and runs a consumer for them until stop is called.
func runTickets[T any](t *testing.T, db store.Database, server *membus.Bus, state func(event.Ticket) T) (r *replica.Replica[T], consumer *replica.Consumer[T], stop func()) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	kind := replica.Kind[T]{
		Name:     "ticket",
		Subjects: []event.Subject{event.SubjectTicketCreated, event.SubjectTicketUpdated},
		Decode: func(subject event.Subject, data []byte) (replica.Change[T], error) {
			p, err := event.Decode[event.Ticket](subject, data)
			return replica.Change[T]{ID: p.ID, Version: p.Version, Whole: true, Apply: func(T) T { return state(p) }}, err
		},
	}
	r, err := replica.Open(t.Context(), kind, db, replica.Config{}, log)
	if err != nil {
		t.Fatal(err)
	}
	conn := server.Connect("member")
	consumer = replica.NewConsumer(r, conn, replica.ConsumerConfig{Group: "test-service"}, log)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := consumer.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}
	stop = sync.OnceFunc(stop)
	t.Cleanup(stop)
	return r, consumer, stop
}

// wantDifference compares the only replica with its source, whose other fields are given.
func wantDifference[T any](t *testing.T, when string, r *replica.Replica[T], source, want string) {
	t.Helper()
	items, _, err := r.List(t.Context(), "", 10)
	if err != nil || len(items) != 1 {
		t.Fatalf("%s: %d replicas, %v", when, len(items), err)
	}
	got := ""
	if d := compare(string(items[0].ID), &document{Version: 3, body: json.RawMessage(source)}, &items[0]); d != nil {
		got = d.What
	}
	if got != want {
		t.Errorf("%s: state %s of version %d against %s: difference is %q, want %q", when, items[0].State, items[0].Version, source, got, want)
	}
}

func wantNothingParked[T any](t *testing.T, r *replica.Replica[T]) {
	t.Helper()
	if n, err := r.Parking().Count(t.Context(), 10); err != nil || n != 0 {
		t.Errorf("%d events are parked, %v", n, err)
	}
}

// atVersion returns a ticket event with another version.
func atVersion(t *testing.T, data []byte, version int) string {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	fields["version"] = version
	changed, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return string(changed)
}
