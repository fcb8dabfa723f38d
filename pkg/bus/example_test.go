package bus_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
)

// ends collects what is to be closed at the end of an example, as a test does.
type ends []func()

// Cleanup notes something to be closed.
func (e *ends) Cleanup(f func()) { *e = append(*e, f) }

func (e ends) close() {
	for _, f := range e {
		f()
	}
}

// A group is sent everything from the beginning, and its position stays when its last member has left.
func ExampleSubscriber() {
	var end ends
	defer func() { end.close() }()
	ctx := context.Background()
	broker := membus.New(&end)
	source := broker.Connect("source")
	for _, data := range []string{"one", "two"} {
		if err := source.Publish(ctx, "ticket:created", []byte(data)); err != nil {
			log.Fatal(err)
		}
	}
	group := bus.Subscription{Channel: "ticket:created", Group: "orders-service", Durable: "orders-service"}
	for _, name := range []string{"orders-1", "orders-2"} {
		handled := make(chan struct{}, 2)
		member, err := broker.Connect(name).Subscribe(ctx, group, bus.Each(func(_ context.Context, m bus.Message) error {
			fmt.Printf("%s handles %d: %s\n", name, m.Sequence, m.Data)
			handled <- struct{}{}
			return nil // acknowledges it
		}))
		if err != nil {
			log.Fatal(err)
		}
		<-handled
		if name == "orders-1" {
			<-handled
		}
		if err := member.Close(ctx); err != nil {
			log.Fatal(err)
		}
		if err := source.Publish(ctx, "ticket:created", []byte("three")); err != nil {
			log.Fatal(err)
		}
	}
	// Output:
	// orders-1 handles 1: one
	// orders-1 handles 2: two
	// orders-2 handles 3: three
}

// A subscription whose options do not hold together fails before anything is sent.
func ExampleSubscription_WithDefaults() {
	_, err := bus.Subscription{Channel: "ticket:created", Group: "orders-service"}.WithDefaults()
	fmt.Println(errors.Is(err, bus.ErrSubscription))
	s, err := bus.Subscription{Channel: "ticket:created"}.WithDefaults()
	fmt.Println(s.AckWait, s.MaxInflight, err)
	// Output:
	// true
	// 5s 256 <nil>
}

// The lag of a group is what it was never sent and what it was sent and has not acknowledged.
func ExampleChannel_Lag() {
	channel := bus.Channel{Name: "ticket:created", FirstSeq: 1, LastSeq: 10}
	fmt.Println(channel.Lag(bus.Durable{LastSent: 7, Pending: 2}))
	// Output:
	// 5
}
