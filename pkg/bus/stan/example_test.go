package stan_test

import (
	"context"
	"fmt"
	"log"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan"
	"ticketing/pkg/bus/stan/stanserver"
)

func Example() {
	server, err := stanserver.Start(stanserver.Config{ClusterID: "ticketing"})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Shutdown()

	conn, err := stan.Open(stan.Config{URL: server.URL(), ClusterID: "ticketing", ClientID: "orders-0"}, nil)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	defer conn.Close(ctx)

	// Subscribe waits for the connection; from then on the member survives its loss.
	handled := make(chan bool)
	_, err = conn.Subscribe(ctx, bus.Subscription{
		Channel: "ticket:created", Group: "orders-service", Durable: "orders-service",
	}, bus.Each(func(_ context.Context, m bus.Message) error {
		fmt.Printf("%d %s\n", m.Sequence, m.Data)
		close(handled)
		return nil // acknowledged
	}))
	if err != nil {
		log.Fatal(err)
	}
	if err := conn.Publish(ctx, "ticket:created", []byte(`{"title":"concert"}`)); err != nil {
		log.Fatal(err)
	}
	<-handled
	// Output: 1 {"title":"concert"}
}
