package outbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// seat is an entity that the service of these examples owns.
type seat struct {
	Holder string `json:"holder,omitempty"`
}

// announce is the event that tells the others of a seat's version.
func announce(s outbox.Entity[seat]) (event.Subject, []byte, error) {
	data, err := json.Marshal(map[string]any{"id": s.ID, "version": s.Version, "holder": s.State.Holder})
	return "seat:changed", data, err
}

// printer is a bus that prints what it is given.
type printer struct{ printed chan struct{} }

// Send implements bus.Sender.
func (p printer) Send(_ context.Context, channel string, data []byte, answered func(error)) {
	fmt.Println(channel, string(data))
	answered(nil)
	p.printed <- struct{}{}
}

// openSeats opens the seats of a store in memory.
func openSeats() (*outbox.Entities[seat], *outbox.Relay, printer) {
	records, err := memstore.New().Collection(context.Background(), store.Spec{Name: "seats"})
	if err != nil {
		log.Fatal(err)
	}
	out := printer{make(chan struct{}, 10)}
	relay := outbox.NewRelay(records, out, outbox.Config{}, slog.New(slog.DiscardHandler))
	return outbox.NewEntities(outbox.Kind[seat]{Announce: announce}, records, relay, time.Now), relay, out
}

// hold is a rule: it decides on the seat as it is, and does no I/O.
func hold(who string) func(outbox.Entity[seat]) (seat, error) {
	return func(s outbox.Entity[seat]) (seat, error) {
		switch s.State.Holder {
		case "":
			return seat{who}, nil
		case who:
			return s.State, outbox.ErrNoChange
		}
		return s.State, errors.New("the seat is taken")
	}
}

// A rule that is obeyed makes a version. One that changes nothing makes none, and one that refuses leaves all as it is.
func ExampleEntities_Change() {
	ctx := context.Background()
	seats, _, _ := openSeats()
	if _, err := seats.Create(ctx, "a1", seat{}); err != nil {
		log.Fatal(err)
	}
	for _, who := range []string{"ann", "ann", "bob"} {
		changed, err := seats.Change(ctx, "a1", hold(who))
		fmt.Printf("%s: version %d, holder %q, %v\n", who, changed.Version, changed.State.Holder, err)
	}
	// Output:
	// ann: version 1, holder "ann", <nil>
	// ann: version 1, holder "ann", <nil>
	// bob: version 0, holder "", the seat is taken
}

// The relay takes the events of an entity to the bus in version order.
func ExampleRelay() {
	ctx, stop := context.WithCancel(context.Background())
	seats, relay, out := openSeats()
	if _, err := seats.Create(ctx, "a1", seat{}); err != nil {
		log.Fatal(err)
	}
	if _, err := seats.Change(ctx, "a1", hold("ann")); err != nil {
		log.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- relay.Run(ctx) }()
	<-out.printed
	<-out.printed
	stop()
	fmt.Println("ended:", <-ended)
	// Output:
	// seat:changed {"holder":"","id":"a1","version":0}
	// seat:changed {"holder":"ann","id":"a1","version":1}
	// ended: <nil>
}

// Reactions of many events change own entities together. One that is refused holds up what is behind it of the same
// source, and nothing else.
func ExampleEntities_React() {
	ctx := context.Background()
	seats, _, _ := openSeats()
	refused, err := seats.React(ctx, []outbox.Reaction[seat]{
		{ID: "a1", Rule: hold("ann"), Source: "order 1"},
		{ID: "a1", Rule: hold("bob"), Source: "order 2"},
		{ID: "a2", Rule: hold("bob"), Source: "order 2"},
		{ID: "a3", Rule: hold("cho"), Source: "order 3"},
	})
	fmt.Println("refused:", refused, err)
	all, err := seats.List(ctx, store.Query{Limit: 10})
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range all {
		fmt.Printf("%s: version %d, holder %q\n", s.ID, s.Version, s.State.Holder)
	}
	// Output:
	// refused: map[1:the seat is taken] <nil>
	// a1: version 0, holder "ann"
	// a3: version 0, holder "cho"
}
