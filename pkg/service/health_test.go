package service_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/service"
	"ticketing/pkg/telemetry"
)

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
		d.Bus, d.Volume = b.Connect("demo"), telemetry.Volume{Size: 1 << 20}
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
