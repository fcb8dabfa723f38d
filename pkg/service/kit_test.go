package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

const (
	first  = event.ID("65a1b2c3d4e5f60718293a01")
	second = event.ID("65a1b2c3d4e5f60718293a02")
)

// thing is what the services of these tests own and follow.
type thing struct {
	ID      event.ID      `json:"id"`
	Version event.Version `json:"version"`
	Name    string        `json:"name"`
}

// owned is a kind whose events come on one channel.
func owned(subject event.Subject) outbox.Kind[thing] {
	return outbox.Kind[thing]{Announce: func(e outbox.Entity[thing]) (event.Subject, []byte, error) {
		data, err := json.Marshal(thing{e.ID, e.Version, e.State.Name})
		return subject, data, err
	}}
}

func followed(name string, subject event.Subject) replica.Kind[thing] {
	return replica.Kind[thing]{
		Name: name, Subjects: []event.Subject{subject},
		Decode: func(_ event.Subject, data []byte) (replica.Change[thing], error) {
			var got thing
			err := json.Unmarshal(data, &got)
			return replica.Change[thing]{ID: got.ID, Version: got.Version, Apply: func(thing) thing { return got }}, err
		},
	}
}

// owner owns tickets and orders.
type owner struct{ tickets, orders *outbox.Entities[thing] }

func (o *owner) build(ctx context.Context, s *service.Service, _ struct{}) (err error) {
	if o.tickets, err = service.Own(ctx, s, store.Spec{Name: "tickets"}, owned("ticket:made")); err != nil {
		return err
	}
	o.orders, err = service.Own(ctx, s, store.Spec{Name: "orders"}, owned("order:made"))
	return err
}

// follow follows tickets and orders.
func follow(ctx context.Context, s *service.Service, _ struct{}) error {
	if _, err := service.Follow(ctx, s, followed("ticket", "ticket:made")); err != nil {
		return err
	}
	_, err := service.Follow(ctx, s, followed("order", "order:made"))
	return err
}

func nothing(context.Context, *service.Service, struct{}) error { return nil }

// deps are those of a service on a bus of its own, unless another one is set.
func deps(t *testing.T, name string) service.Deps {
	return service.Deps{
		Name: name, Store: memstore.New(), Bus: membus.New(t).Connect(name), Log: slog.New(slog.DiscardHandler),
	}
}

func open(t *testing.T, d service.Deps, build service.Build[struct{}]) *service.Service {
	t.Helper()
	s, err := service.Open(t.Context(), d, build, struct{}{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// start runs a service until stop is called, which must be before the test ends.
func start(t *testing.T, s *service.Service) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	}
}

// ask sends a request to the admin listener.
func ask(t *testing.T, s *service.Service, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	s.AdminHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost"+path, nil))
	return w.Code, w.Body.String()
}

func create(t *testing.T, entities *outbox.Entities[thing], id event.ID) {
	t.Helper()
	if _, err := entities.Create(t.Context(), id, thing{Name: "new"}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatOneServiceOwnsAnotherFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membus.New(t)
		sellerDeps, shopDeps := deps(t, "seller"), deps(t, "shop")
		sellerDeps.Bus, shopDeps.Bus = b.Connect("seller"), b.Connect("shop")
		owner := &owner{}
		seller, shop := open(t, sellerDeps, owner.build), open(t, shopDeps, follow)
		defer start(t, seller)()
		defer start(t, shop)()
		if err := shop.AwaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		create(t, owner.tickets, first)
		create(t, owner.orders, second)
		time.Sleep(time.Second) // fake time: long enough for everything that is on its way
		for kind, id := range map[string]event.ID{"ticket": first, "order": second} {
			if item, err := shop.Replica(kind).Item(t.Context(), id); err != nil || item.Version != 0 {
				t.Errorf("the replica of %s %s = %+v, %v, want version 0", kind, id, item, err)
			}
			channel, err := shop.Bus.Channel(t.Context(), kind+":made")
			if err != nil || len(channel.Durables) != 1 || channel.Durables[0].Group != "shop-service" || channel.Durables[0].Name != "shop-service" {
				t.Errorf("the groups of %s are %+v, %v, want shop-service", kind, channel.Durables, err)
			}
		}
		if got := shop.Replica("payment"); got != nil {
			t.Errorf("Replica of a kind that is not followed = %v", got)
		}
	})
}

// watchedBus keeps the subscriptions that are asked for.
type watchedBus struct {
	bus.Conn
	mu   sync.Mutex
	seen []bus.Subscription
}

func (w *watchedBus) Subscribe(ctx context.Context, s bus.Subscription, h bus.Handler) (bus.Member, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, s)
	return w.Conn.Subscribe(ctx, s, h)
}

func TestTuningAndClockReachTheParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Given an instance that keeps one early event of a record, with a clock of its own
		now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		d := deps(t, "shop")
		watched := &watchedBus{Conn: d.Bus}
		d.Bus, d.Now = watched, func() time.Time { return now }
		d.Tuning.Replica.MaxEarly = 1
		d.Tuning.Consumer.AckWait = 7 * time.Second
		s := open(t, d, follow)
		defer start(t, s)()
		if err := s.AwaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		// When two come early
		for _, early := range []string{`"version":2`, `"version":3`} {
			if err := s.Bus.Publish(t.Context(), "ticket:made", []byte(`{"id":"`+string(first)+`",`+early+`}`)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		// Then one is parked, at the time of that clock
		parked, _, err := s.Replica("ticket").Parking().List(t.Context(), "", 10)
		if err != nil || len(parked) != 1 || !parked[0].First.Equal(now) {
			t.Errorf("parked = %+v, %v, want one event at %v", parked, err, now)
		}
		for _, sub := range watched.seen {
			if sub.Group != "" && sub.AckWait != 7*time.Second {
				t.Errorf("%s is subscribed with an AckWait of %v", sub.Channel, sub.AckWait)
			}
		}
	})
}

// limit is a configuration that can be checked.
type limit int

func (l limit) Check() error {
	if l < 0 {
		return errors.New("LIMIT: below 0")
	}
	return nil
}

func TestOpenRefuses(t *testing.T) {
	never := func(context.Context, *service.Service, limit) error {
		t.Error("the service was built")
		return nil
	}
	log := slog.New(slog.DiscardHandler)
	for _, tt := range []struct {
		name  string
		deps  service.Deps
		build service.Build[limit]
		cfg   limit
		want  string
	}{
		{"no name", service.Deps{Log: log}, never, 0, "open service: a name and a log are required"},
		{"no log", service.Deps{Name: "demo"}, never, 0, "open service: a name and a log are required"},
		{"a bad configuration", service.Deps{Name: "demo", Log: log}, never, -1, "LIMIT: below 0"},
		{"events off the bus", service.Deps{Name: "demo", Log: log, Store: memstore.New()},
			func(ctx context.Context, s *service.Service, _ limit) error {
				_, err := service.Own(ctx, s, store.Spec{Name: "tickets"}, owned("ticket:made"))
				return err
			}, 0, "own tickets: the service has no bus"},
		{"replicas off the bus", service.Deps{Name: "demo", Log: log, Store: memstore.New()},
			func(ctx context.Context, s *service.Service, _ limit) error {
				_, err := service.Follow(ctx, s, followed("ticket", "ticket:made"))
				return err
			}, 0, "follow ticket: the service has no bus"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := service.Open(t.Context(), tt.deps, tt.build, tt.cfg); err == nil || err.Error() != tt.want {
				t.Errorf("Open = %v, want %s", err, tt.want)
			}
		})
	}
}

// A build may put something between the service and its ports, as the crash tests do.
func TestABuildMayReplaceThePorts(t *testing.T) {
	s := open(t, deps(t, "demo"), func(_ context.Context, s *service.Service, _ struct{}) error {
		unwell := &pinged{Database: s.Store}
		unwell.unwell.Store(true)
		s.Store = unwell
		return nil
	})
	if status, body := ask(t, s, "/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "unwell") {
		t.Errorf("readyz = %d %s, want that of the replaced store", status, body)
	}
}

func TestAServiceWithoutRoutesAnswersWithAProblem(t *testing.T) {
	w := httptest.NewRecorder()
	open(t, deps(t, "demo"), nothing).Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/things", nil))
	if w.Code != http.StatusNotFound || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("answer = %d %s %s, want a problem", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
}
