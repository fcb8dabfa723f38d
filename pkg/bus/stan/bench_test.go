package stan_test

import (
	"context"
	"testing"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanserver"
)

// BenchmarkPublish is the rate of stored events with 256 publishers at once, on a file store.
func BenchmarkPublish(b *testing.B) {
	broker := startBroker(b, stanserver.Config{Dir: b.TempDir()})
	conn := connected(b, broker.config("publisher", broker.Addr()))
	data := make([]byte, 200)
	b.SetParallelism(128) // times GOMAXPROCS
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := conn.Publish(context.Background(), "ticket:created", data); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkReceive is the rate of a group's only member that acks at once, on a file store.
func BenchmarkReceive(b *testing.B) {
	broker := startBroker(b, stanserver.Config{Dir: b.TempDir()})
	conn := connected(b, broker.config("member", broker.Addr()))
	data := make([]byte, 200)
	b.SetParallelism(128)
	filled := make(chan struct{}, b.N)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := conn.Publish(context.Background(), "ticket:created", data); err != nil {
				b.Error(err)
				return
			}
		}
	})
	spec := ordersGroup()
	spec.MaxInflight = 1024
	b.ResetTimer()
	_, err := conn.Subscribe(soon(b), spec, bus.Each(func(context.Context, bus.Message) error {
		filled <- struct{}{}
		return nil
	}))
	if err != nil {
		b.Fatal(err)
	}
	for range b.N {
		<-filled
	}
}
