package service_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/event"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/oncall"
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

// check is what is compared of a readiness check.
type check struct {
	Name   string
	Effect httpapi.Effect
}

func TestChecksOfAService(t *testing.T) {
	volume := func(d *service.Deps) { d.Volume.Size = 1 << 30 }
	asItIs := func(*service.Deps) {}
	storeCheck, busCheck := check{"store", httpapi.Unready}, check{"bus", httpapi.UnreadyAtStart}
	for _, tt := range []struct {
		name   string
		change func(*service.Deps)
		build  service.Build[struct{}]
		want   []check
	}{
		{"off the bus", func(d *service.Deps) { d.Bus = nil }, nothing, []check{storeCheck}},
		{"that owns", asItIs, (&owner{}).build, []check{storeCheck, busCheck}},
		{"that owns, with a volume", volume, (&owner{}).build, []check{storeCheck, busCheck, {"broker log", httpapi.Degraded}}},
		{"that follows", asItIs, follow, []check{
			storeCheck, busCheck, {"tickets", httpapi.UnreadyAtStart}, {"orders", httpapi.UnreadyAtStart},
			{"gaps", httpapi.Degraded}, {"retention", httpapi.Degraded},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := deps(t, "demo")
			tt.change(&d)
			var got []check
			for _, c := range open(t, d, tt.build).Checks() {
				got = append(got, check{c.Name, c.Effect})
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("checks (-want +got):\n%s", diff)
			}
		})
	}
}

// A service that has never been on the bus may know nothing. One that has lost it goes on with what it knows.
func TestTheBusIsNeededAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membus.New(t)
		b.Stop()
		d := deps(t, "shop")
		d.Bus = b.Connect("shop")
		s := open(t, d, follow)
		defer start(t, s)()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := s.AwaitReady(ctx); err == nil || !strings.Contains(err.Error(), "shop is not ready: bus: ") {
			t.Errorf("AwaitReady without the bus = %v", err)
		}
		if status, body := ask(t, s, "/readyz"); status != http.StatusServiceUnavailable {
			t.Errorf("readyz without the bus = %d %s", status, body)
		}
		b.Start()
		if err := s.AwaitReady(t.Context()); err != nil {
			t.Error(err)
		}
		if status, body := ask(t, s, "/readyz"); status != http.StatusOK {
			t.Errorf("readyz on the bus = %d %s", status, body)
		}
		b.Stop()
		synctest.Wait()
		if status, body := ask(t, s, "/readyz"); status != http.StatusOK || !strings.Contains(body, `"degraded":true`) {
			t.Errorf("readyz after the bus was lost = %d %s", status, body)
		}
	})
}

// Each kind that is followed has a loss of its own: the check must see that of the last.
func TestALossOfAnyKindIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := membus.New(t)
		sellerDeps, shopDeps := deps(t, "seller"), deps(t, "shop")
		sellerDeps.Bus, shopDeps.Bus = b.Connect("seller"), b.Connect("shop")
		owner := &owner{}
		defer start(t, open(t, sellerDeps, owner.build))()
		// Given a group that has left
		before := open(t, shopDeps, follow)
		stop := start(t, before)
		if err := before.AwaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		create(t, owner.orders, first)
		time.Sleep(time.Second)
		stop()
		if err := lossOf(t, before); err != nil {
			t.Fatalf("retention before the loss: %v", err)
		}
		// When the broker removes an event that it has not been sent
		b.Retain(1)
		create(t, owner.orders, second)
		create(t, owner.orders, "65a1b2c3d4e5f60718293a03")
		time.Sleep(time.Second)
		// Then the next instance reports it
		after := open(t, shopDeps, follow)
		defer start(t, after)()
		if err := after.AwaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := lossOf(t, after); err == nil {
			t.Error("retention reports no loss")
		}
	})
}

// lossOf is what the check "retention" returns.
func lossOf(t *testing.T, s *service.Service) error {
	t.Helper()
	for _, c := range s.Checks() {
		if c.Name == "retention" {
			return c.Check(t.Context())
		}
	}
	t.Fatal("no check is called retention")
	return nil
}

func TestAdminRoutesOfAService(t *testing.T) {
	extra := func(_ context.Context, s *service.Service, _ struct{}) error {
		s.AdminRoutes(func(admin chi.Router) { admin.Get("/one", func(http.ResponseWriter, *http.Request) {}) })
		s.AdminRoutes(func(admin chi.Router) { admin.Get("/two", func(http.ResponseWriter, *http.Request) {}) })
		return nil
	}
	for _, tt := range []struct {
		name   string
		build  service.Build[struct{}]
		status map[string]int
	}{
		{"that owns", (&owner{}).build, map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/parked": 404, "/gaps": 404}},
		{"that follows", follow, map[string]int{"/metrics": 200, "/parked": 200, "/gaps": 200, "/replicas/ticket": 200, "/replicas/order": 200}},
		{"with more", extra, map[string]int{"/metrics": 200, "/one": 200, "/two": 200}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t, deps(t, "demo"), tt.build)
			for path, want := range tt.status {
				if status, body := ask(t, s, path); status != want {
					t.Errorf("%s = %d %s, want %d", path, status, body, want)
				}
			}
		})
	}
}

func TestMetricsCoverAllThatAServiceHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Given events of two kinds that cannot be published
		b := membus.New(t)
		d := deps(t, "demo")
		d.Bus, d.Volume = b.Connect("demo"), oncall.Volume{Size: 1 << 20}
		owner := &owner{}
		s := open(t, d, func(ctx context.Context, s *service.Service, cfg struct{}) error {
			return errors.Join(owner.build(ctx, s, cfg), follow(ctx, s, cfg))
		})
		defer start(t, s)()
		if err := s.AwaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, body := ask(t, s, "/metrics")
		expectWords(t, body, "ticketing_bus_connected 1\n", `ticketing_lag_events{channel="ticket:made",group="demo-service"} 0`,
			"ticketing_broker_volume_bytes 1.048576e+06\n", `ticketing_events_total{kind="order",verdict="apply"} 0`)
		b.Stop()
		create(t, owner.tickets, first)
		create(t, owner.orders, first)
		create(t, owner.orders, second)
		time.Sleep(10 * time.Second)
		_, body = ask(t, s, "/metrics")
		expectWords(t, body, "ticketing_outbox_waiting 3\n", "ticketing_bus_connected 0\n")
		if strings.Contains(body, "ticketing_outbox_failures 0\n") {
			t.Errorf("no failures in %s", body)
		}
		b.Start()
		time.Sleep(10 * time.Second)
		_, body = ask(t, s, "/metrics")
		expectWords(t, body, "ticketing_outbox_waiting 0\n", "ticketing_outbox_failures 0\n",
			`ticketing_events_total{kind="order",verdict="apply"} 2`)
	})
}

func expectWords(t *testing.T, body string, words ...string) {
	t.Helper()
	for _, want := range words {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in:\n%s", want, body)
		}
	}
}

func TestAServiceOffTheBusRunsUntilItIsToldToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deps(t, "demo")
		d.Bus = nil
		s := open(t, d, nothing)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("Run = %v before it was told to end", err)
		default:
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// A service that works in part looks healthy and is not: if one part fails, the process must end.
func TestWorkThatFailsEndsTheOtherWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		finished := false
		s := open(t, deps(t, "demo"), func(_ context.Context, s *service.Service, _ struct{}) error {
			s.Background(func(context.Context) error { return nil }) // work that is done ends nothing
			s.Background(func(ctx context.Context) error {
				<-ctx.Done()
				finished = true
				return nil
			})
			s.Background(func(context.Context) error {
				time.Sleep(time.Second)
				return broken
			})
			return nil
		})
		began := time.Now()
		if err := s.Run(t.Context()); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "run demo: ") {
			t.Errorf("Run = %v, want %v", err, broken)
		}
		if !finished || time.Since(began) != time.Second {
			t.Errorf("after %v the other work has ended: %t", time.Since(began), finished)
		}
	})
}

// What the work in the background writes while it finishes is published before the service ends.
func TestRelaysEndLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := &owner{}
		s := open(t, deps(t, "demo"), func(ctx context.Context, s *service.Service, cfg struct{}) error {
			s.Background(func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				_, err := owner.tickets.Create(context.WithoutCancel(ctx), first, thing{Name: "last"})
				return err
			})
			return owner.build(ctx, s, cfg)
		})
		stop := start(t, s)
		synctest.Wait()
		stop()
		if channel, err := s.Bus.Channel(t.Context(), "ticket:made"); err != nil || channel.LastSeq != 1 {
			t.Errorf("the channel is %+v, %v, want one event", channel, err)
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
