package main

import (
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"ticketing/pkg/app/apptest"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
)

func TestMain(m *testing.M) { apptest.Main(m, main) }

func TestItSaysInOneLineWhyItDoesNotStart(t *testing.T) {
	apptest.CheckRefusals(t, "payments", apptest.OnBus(apptest.OffBus(t, servicetest.Key), stantest.Start(t)))
	apptest.CheckBusRefusals(t, "payments", apptest.OffBus(t, servicetest.Key))
	for env, want := range map[string]string{"PROVIDER=cash": "PROVIDER", "PROVIDER=stripe": "STRIPE_KEY"} {
		got := apptest.Refusal(t, apptest.Environ(apptest.OffBus(t, servicetest.Key), env)...)
		if !strings.HasPrefix(got, "payments: ") || !strings.Contains(got, want) {
			t.Errorf("with %s it said %q", env, got)
		}
	}
	for _, patience := range []string{"soon", "0s", "-1s", "4001ms"} {
		got := apptest.Refusal(t, apptest.Environ(apptest.OffBus(t, servicetest.Key), "PAYMENT_PATIENCE="+patience)...)
		if !strings.HasPrefix(got, "payments: ") || !strings.Contains(got, "PAYMENT_PATIENCE") {
			t.Errorf("with a patience of %s it said %q", patience, got)
		}
	}
}

func TestItWaitsForItsStore(t *testing.T) {
	apptest.CheckWaitsForStore(t, apptest.OffBus(t, servicetest.Key))
}

// An order that was seen can be paid, and its fact is published before the process ends.
func TestItServesUntilItIsToldToEnd(t *testing.T) {
	broker := stantest.Start(t)
	conn := stantest.Connect(t, broker, "orders")
	const buyer, id = event.ID("65a0000000000000000000aa"), event.ID("65a1b2c3d4e5f60718293aff")
	servicetest.Publish(t, conn, event.OrderCreated{ID: id, Status: event.OrderStatusCreated, UserID: buyer,
		ExpiresAt: event.At(time.Now().Add(time.Hour)), Ticket: event.OrderTicket{ID: "65a1b2c3d4e5f60718293a4b", Price: 2000}})
	p := apptest.Start(t, apptest.OnBus(apptest.OffBus(t, servicetest.Key), broker)...)
	p.AwaitReady(t)
	s := servicetest.Server{Addr: p.HTTP}
	servicetest.Eventually(t, "the order is seen", func() bool {
		answer := s.MustSend(t, servicetest.Request{
			Line: "POST /api/payments", Session: servicetest.SignInAt(t, buyer, time.Now()), Media: servicetest.JSON,
			Body: fmt.Sprintf(`{"token":"tok_visa","orderId":%q}`, id),
		})
		return answer.Status == http.StatusCreated
	})
	p.Signal(t, syscall.SIGTERM)
	p.AwaitEnd(t)
	if events := servicetest.Published(t, conn, event.SubjectPaymentCreated, 0); len(events) != 1 {
		t.Errorf("published %q", events)
	}
}
