package service_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
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

// openExample opens a service on a store in memory. A program calls service.Main instead.
func openExample(name string, conn bus.Conn, build service.Build[struct{}]) *service.Service {
	deps := service.Deps{Name: name, Store: memstore.New(), Bus: conn, Log: slog.New(slog.DiscardHandler)}
	s, err := service.Open(context.Background(), deps, build, struct{}{})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// runExample runs a service until stop is called.
func runExample(s *service.Service) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			log.Fatal(err)
		}
	}
}

// listen returns what is published on a channel.
func listen(conn bus.Conn, channel string) <-chan string {
	got := make(chan string, 10)
	_, err := conn.Subscribe(context.Background(), bus.Subscription{Channel: channel}, bus.Each(func(_ context.Context, m bus.Message) error {
		got <- string(m.Data)
		return nil
	}))
	if err != nil {
		log.Fatal(err)
	}
	return got
}

// A service that owns seats and sells them over HTTP. The relay publishes the event of each version.
func ExampleOpen() {
	var end ends
	defer func() { end.close() }()
	broker := membus.New(&end)
	s := openExample("seats", broker.Connect("seats-1"), func(ctx context.Context, s *service.Service, _ struct{}) error {
		seats, err := service.Own(ctx, s, store.Spec{Name: "seats"}, owned("seat:created"))
		s.Routes(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := seats.Create(r.Context(), first, thing{Name: r.URL.Query().Get("name")}); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusCreated)
		}))
		return err
	})
	defer runExample(s)()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/seats?name=A1", nil))
	fmt.Println(w.Code)
	fmt.Println(<-listen(broker.Connect("listener"), "seat:created"))
	// Output:
	// 201
	// {"id":"65a1b2c3d4e5f60718293a01","version":0,"name":"A1"}
}

// tally is how often a ticket was changed. It has the ticket's id.
type tally struct {
	Changes int           `json:"changes"`
	Ticket  event.Version `json:"ticket"` // the last version that was counted
}

// count is the reaction to an event of a ticket. It knows what it has counted: a crash repeats reactions.
func count(turn replica.Turn[thing]) (event.ID, func(outbox.Entity[tally]) (tally, error)) {
	return turn.ID, func(t outbox.Entity[tally]) (tally, error) {
		if t.Version != event.None && t.State.Ticket >= turn.Version {
			return t.State, outbox.ErrNoChange
		}
		return tally{Changes: t.State.Changes + 1, Ticket: turn.Version}, nil
	}
}

// A service that counts the changes of each ticket, and publishes each count. Events come late and twice.
func ExampleReact() {
	var end ends
	defer func() { end.close() }()
	broker := membus.New(&end)
	tickets := broker.Connect("tickets-1")
	for _, data := range []string{
		`{"id":"65a1b2c3d4e5f60718293a01","version":1,"name":"concert, front row"}`, // early
		`{"id":"65a1b2c3d4e5f60718293a01","version":0,"name":"concert"}`,
		`{"id":"65a1b2c3d4e5f60718293a01","version":0,"name":"concert"}`,
		`{"id":"65a1b2c3d4e5f60718293a01","version":2,"name":"concert, sold out"}`,
	} {
		if err := tickets.Publish(context.Background(), "ticket:changed", []byte(data)); err != nil {
			log.Fatal(err)
		}
	}
	s := openExample("tallies", broker.Connect("tallies-1"), func(ctx context.Context, s *service.Service, _ struct{}) error {
		tallies, err := service.Own(ctx, s, store.Spec{Name: "tallies"}, outbox.Kind[tally]{
			Announce: func(t outbox.Entity[tally]) (event.Subject, []byte, error) {
				data, err := json.Marshal(map[string]any{"id": t.ID, "version": t.Version, "changes": t.State.Changes})
				return "tally:changed", data, err
			},
		})
		if err != nil {
			return err
		}
		_, err = service.React(ctx, s, followed("ticket", "ticket:changed"), tallies, count)
		return err
	})
	defer runExample(s)()
	published := listen(broker.Connect("listener"), "tally:changed")
	for range 3 {
		fmt.Println(<-published)
	}
	// Output:
	// {"changes":1,"id":"65a1b2c3d4e5f60718293a01","version":0}
	// {"changes":2,"id":"65a1b2c3d4e5f60718293a01","version":1}
	// {"changes":3,"id":"65a1b2c3d4e5f60718293a01","version":2}
}
