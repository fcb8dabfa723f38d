package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// open opens a collection of a store in memory. A service opens pkg/store/bolt or pkg/store/mongo.
func open(spec store.Spec) store.Collection {
	tickets, err := memstore.New().Collection(context.Background(), spec)
	if err != nil {
		log.Fatal(err)
	}
	return tickets
}

// One write stores the state of an entity, its version and the event that tells the others.
func ExampleCollection_put() {
	ctx := context.Background()
	tickets := open(store.Spec{Name: "tickets"})
	err := tickets.Put(ctx, store.Write{
		ID: "t1", Version: 0, State: []byte(`{"price":20}`),
		Emit: []store.Event{{Channel: "ticket:created", Data: []byte(`{"id":"t1","version":0}`)}},
	})
	if err != nil {
		log.Fatal(err)
	}
	record, err := tickets.Get(ctx, "t1")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("revision %d, version %d, state %s\n", record.Revision, record.Version, record.State)
	fmt.Printf("waits for the bus: %s %s\n", record.Outbox[0].Channel, record.Outbox[0].Data)
	// Output:
	// revision 1, version 0, state {"price":20}
	// waits for the bus: ticket:created {"id":"t1","version":0}
}

// Of two writers that have read the same revision one succeeds. The other one reads again and decides again.
func ExampleCollection_conflict() {
	ctx := context.Background()
	tickets := open(store.Spec{Name: "tickets"})
	write := func(revision int64, state string) {
		err := tickets.Put(ctx, store.Write{ID: "t1", Revision: revision, State: []byte(state)})
		fmt.Printf("%s over revision %d: conflict %v\n", state, revision, errors.Is(err, store.ErrConflict))
	}
	write(0, "created")
	write(1, "edited")
	write(1, "sold")
	// Output:
	// created over revision 0: conflict false
	// edited over revision 1: conflict false
	// sold over revision 1: conflict true
}

// The relay reads what waits, publishes it and forgets it. That changes no revision, so it conflicts with nobody.
func ExampleCollection_pending() {
	ctx := context.Background()
	tickets := open(store.Spec{Name: "tickets"})
	for _, id := range []string{"t1", "t2"} {
		if err := tickets.Put(ctx, store.Write{ID: id, Emit: []store.Event{{Channel: "ticket:created", Data: []byte(id)}}}); err != nil {
			log.Fatal(err)
		}
	}
	if err := tickets.Forget(ctx, []store.Sent{{ID: "t1", Versions: []int64{0}}}); err != nil {
		log.Fatal(err)
	}
	waiting, err := tickets.Pending(ctx, "", 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, record := range waiting {
		fmt.Printf("%s at revision %d waits with %d event\n", record.ID, record.Revision, len(record.Outbox))
	}
	// Output:
	// t2 at revision 1 waits with 1 event
}
