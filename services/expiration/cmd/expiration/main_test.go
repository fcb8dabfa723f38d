package main

import (
	"syscall"
	"testing"
	"time"

	"ticketing/pkg/app/apptest"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
)

func TestMain(m *testing.M) { apptest.Main(m, main) }

// environ is what the program needs: no key, because it has no route for people.
func environ(t *testing.T) []string {
	return apptest.Environ(apptest.OffBus(t, servicetest.Key), "JWT_KEY")
}

func TestItSaysInOneLineWhyItDoesNotStart(t *testing.T) {
	apptest.CheckRefusals(t, "expiration", apptest.OnBus(environ(t), stantest.Start(t)))
	apptest.CheckBusRefusals(t, "expiration", environ(t))
}

func TestItWaitsForItsStore(t *testing.T) { apptest.CheckWaitsForStore(t, environ(t)) }

// An order whose time was over while nothing ran is said to be over, before the process ends.
func TestItServesUntilItIsToldToEnd(t *testing.T) {
	broker := stantest.Start(t)
	conn := stantest.Connect(t, broker, "orders")
	servicetest.Publish(t, conn, event.OrderCreated{ID: "65a1b2c3d4e5f60718293aff", Status: event.OrderStatusCreated,
		UserID: "65a0000000000000000000aa", ExpiresAt: event.At(time.Now().Add(-time.Hour)),
		Ticket: event.OrderTicket{ID: "65a1b2c3d4e5f60718293a4b", Price: 2000}})
	p := apptest.Start(t, apptest.OnBus(environ(t), broker)...)
	p.AwaitReady(t)
	if events := servicetest.Published(t, conn, event.SubjectExpirationComplete, 1); len(events) != 1 {
		t.Errorf("published %q", events)
	}
	p.Signal(t, syscall.SIGTERM)
	p.AwaitEnd(t)
}
