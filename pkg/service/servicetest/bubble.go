package servicetest

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/event"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// Bubble is a place for instances of services in a synctest bubble. Its bus is in memory.
type Bubble struct {
	// Broker is what all instances are connected to.
	Broker *membus.Bus
	// Bus is the connection of everybody else.
	Bus bus.Conn
	// Log is that of all instances.
	Log *Log
	now atomic.Pointer[func() time.Time] // nil for Now
}

// SetNow stops the clock of all instances at a moment.
func (b *Bubble) SetNow(now time.Time) { b.SetClock(func() time.Time { return now }) }

// SetClock gives all instances another clock.
func (b *Bubble) SetClock(now func() time.Time) { b.now.Store(&now) }

// Now is the clock of all instances. It stands still at the package's Now, unless it is set.
func (b *Bubble) Now() time.Time {
	if now := b.now.Load(); now != nil {
		return (*now)()
	}
	return Now()
}

// NewBubble makes a place without an instance.
func NewBubble(t *testing.T) *Bubble {
	broker := membus.New(t)
	return &Bubble{Broker: broker, Bus: broker.Connect("others"), Log: &Log{}}
}

// Open opens an instance of a service on a store of the caller's and returns once it is ready. It ends with the test, or
// when stop is called, which waits for it.
func Open[C any](t *testing.T, b *Bubble, name, client string, db store.Database, build service.Build[C], cfg C) (s *service.Service, stop func()) {
	t.Helper()
	s, err := service.Open(t.Context(), service.Deps{
		Name: name, Store: db, Bus: b.Broker.Connect(client), Sessions: Sessions(t), Log: b.Log.Logger(), Now: b.Now,
	}, build, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	if err := s.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, stop
}

// Publish publishes an event of another service.
func Publish[T any, P event.Payload[T]](t testing.TB, conn bus.Conn, payload T) {
	t.Helper()
	data, err := event.Encode[T, P](payload)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish(t.Context(), string(P(&payload).Subject()), data); err != nil {
		t.Fatal(err)
	}
}

// CheckNothingParked finds that a service has parked no event.
func CheckNothingParked(t testing.TB, s *service.Service) {
	t.Helper()
	if parked := Parked(t, s); strings.TrimSpace(parked) != "[]" {
		t.Errorf("parked: %s", parked)
	}
}

// Parked is what a service has parked, in JSON.
func Parked(t testing.TB, s *service.Service) string {
	t.Helper()
	answer := Call(t, s.AdminHandler(), Request{Line: "GET /parked"})
	if answer.Status != 200 {
		t.Fatalf("parked: %d %s", answer.Status, answer.Body)
	}
	return answer.Body
}
