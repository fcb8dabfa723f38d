package replica_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/event"
	"ticketing/pkg/replica"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// ticket is what the service of these examples keeps of another service's tickets.
type ticket struct {
	Title string `json:"title"`
}

// tickets is how their events become replicas. Each carries the whole ticket.
func tickets() replica.Kind[ticket] {
	return replica.Kind[ticket]{
		Name:     "ticket",
		Subjects: []event.Subject{"ticket:changed"},
		Decode: func(_ event.Subject, data []byte) (replica.Change[ticket], error) {
			var e struct {
				ID      string        `json:"id"`
				Version event.Version `json:"version"`
				Title   string        `json:"title"`
			}
			if err := json.Unmarshal(data, &e); err != nil {
				return replica.Change[ticket]{}, err
			}
			if e.Title == "" {
				return replica.Change[ticket]{}, errors.New("title: missing")
			}
			return replica.Change[ticket]{ID: event.ID(e.ID), Version: e.Version, Whole: true, Apply: func(ticket) ticket { return ticket{e.Title} }}, nil
		},
	}
}

// ends collects what is to be closed at the end of an example, as a test does.
type ends []func()

// Cleanup notes something to be closed.
func (e *ends) Cleanup(f func()) { *e = append(*e, f) }

// run has a member of the service handle these events, in this order, until handled reports that it is done.
func run(tickets *replica.Replica[ticket], handled func() bool, events ...string) {
	var end ends
	broker := membus.New(&end)
	conn := broker.Connect("tickets-1")
	for _, data := range events {
		if err := conn.Publish(context.Background(), "ticket:changed", []byte(data)); err != nil {
			log.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	member := replica.NewConsumer(tickets, broker.Connect("orders-1"), replica.ConsumerConfig{Group: "orders-service"}, slog.New(slog.DiscardHandler))
	ended := make(chan error)
	go func() { ended <- member.Run(ctx) }()
	for !handled() {
		time.Sleep(time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		log.Fatal(err)
	}
	for _, f := range end {
		f()
	}
}

func open(config replica.Config) *replica.Replica[ticket] {
	r, err := replica.Open(context.Background(), tickets(), memstore.New(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		log.Fatal(err)
	}
	return r
}

// settled reports whether so many verdicts were given.
func settled(r *replica.Replica[ticket], want uint64) func() bool {
	return func() bool {
		n := uint64(0)
		for _, count := range r.Verdicts() {
			n += count
		}
		return n >= want
	}
}

// Events come late and twice. The version decides: each is applied once and in order.
func ExampleConsumer() {
	r := open(replica.Config{})
	run(r, settled(r, 4),
		`{"id":"t1","version":1,"title":"concert, front row"}`, // early: kept until version 0 comes
		`{"id":"t1","version":0,"title":"concert"}`,
		`{"id":"t1","version":0,"title":"concert"}`, // stale
	)
	got, version, err := r.Get(context.Background(), "t1")
	fmt.Printf("version %d: %s, %v\n", version, got.Title, err)
	// Output:
	// version 1: concert, front row, <nil>
}

// An entity whose first event is missing is not seen yet, and a person is shown what it waits for.
func ExampleReplica_Gaps() {
	r := open(replica.Config{})
	run(r, settled(r, 1), `{"id":"t1","version":3,"title":"concert"}`)
	_, _, err := r.Get(context.Background(), "t1")
	fmt.Println("found:", !errors.Is(err, store.ErrNotFound))
	gaps, err := r.Gaps(context.Background(), time.Now().Add(time.Hour), 10)
	for _, gap := range gaps {
		fmt.Printf("%s waits for version %d with %d event kept\n", gap.Entity, gap.WaitsFor, gap.Kept)
	}
	fmt.Println(err)
	// Output:
	// found: false
	// ticket/t1 waits for version 0 with 1 event kept
	// <nil>
}

// An event that cannot be used is parked with its reason, and blocks nobody.
func ExampleReplica_Parking() {
	r := open(replica.Config{})
	run(r, settled(r, 2), `{"id":"t1","version":0}`, `{"id":"t2","version":0,"title":"concert"}`)
	parked, _, err := r.Parking().List(context.Background(), "", 10)
	for _, entry := range parked {
		fmt.Printf("%s: %s %s\n", entry.Reason, entry.Error, entry.Data)
	}
	_, version, _ := r.Get(context.Background(), "t2")
	fmt.Println("t2 stands at", version, err)
	// Output:
	// poison: title: missing {"id":"t1","version":0}
	// t2 stands at 0 <nil>
}

// A person makes a replica equal to its source, over versions that will never come.
func ExampleReplica_Resync() {
	r := open(replica.Config{})
	run(r, settled(r, 2), `{"id":"t1","version":0,"title":"concert"}`, `{"id":"t1","version":8,"title":"concert, last row"}`)
	changed, err := r.Resync(context.Background(), []byte(`{"id":"t1","version":7,"title":"concert, front row"}`), event.None)
	fmt.Println("changed:", changed, err)
	got, version, _ := r.Get(context.Background(), "t1")
	fmt.Printf("version %d: %s\n", version, got.Title) // 7, and 8 that was kept behind it
	// Output:
	// changed: true <nil>
	// version 8: concert, last row
}
