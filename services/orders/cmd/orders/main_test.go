package main

import (
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

const (
	ann      = event.ID("65a0000000000000000000aa")
	ticketID = event.ID("65a1b2c3d4e5f60718293a4b")
)

func TestItSaysInOneLineWhyItDoesNotStart(t *testing.T) {
	apptest.CheckRefusals(t, "orders", apptest.OnBus(apptest.OffBus(t, servicetest.Key), stantest.Start(t)))
	apptest.CheckBusRefusals(t, "orders", apptest.OffBus(t, servicetest.Key))
	for _, window := range []string{"soon", "15", "0s", "-15m"} {
		got := apptest.Refusal(t, apptest.Environ(apptest.OffBus(t, servicetest.Key), "ORDER_WINDOW="+window)...)
		if !strings.HasPrefix(got, "orders: ") || !strings.Contains(got, "ORDER_WINDOW") {
			t.Errorf("with window %s it said %q", window, got)
		}
	}
}

func TestItTellsThatTheBrokersVolumeIsFull(t *testing.T) {
	broker := stantest.Start(t)
	apptest.CheckVolume(t, "orders", apptest.OnBus(apptest.OffBus(t, servicetest.Key), broker), broker)
}

func TestItServesUntilItIsToldToEnd(t *testing.T) {
	// Given a ticket on the bus
	broker := stantest.Start(t)
	conn := stantest.Connect(t, broker, "tickets")
	ticket := event.Ticket{ID: ticketID, Title: "concert", Price: 2000, UserID: ann}
	data, err := event.Encode(ticket)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Publish(t.Context(), string(ticket.Subject()), data); err != nil {
		t.Fatal(err)
	}
	p := apptest.Start(t, apptest.Environ(apptest.OnBus(apptest.OffBus(t, servicetest.Key), broker), "ORDER_WINDOW=24h")...)
	p.AwaitReady(t)

	// When it is ordered as soon as it is seen
	s := servicetest.Server{Addr: p.HTTP}
	var answer servicetest.Answer
	servicetest.Eventually(t, "the ticket is seen", func() bool {
		answer = s.MustSend(t, servicetest.Request{
			Line: "POST /api/orders", Session: servicetest.SignInAt(t, ann, time.Now()),
			Media: servicetest.JSON, Body: `{"ticketId":"` + string(ticketID) + `"}`,
		})
		return answer.Status != http.StatusNotFound
	})
	order := servicetest.Decode[struct{ ExpiresAt event.Time }](t, answer)
	if left := time.Until(order.ExpiresAt.Time); answer.Status != http.StatusCreated || left < 23*time.Hour || left > 24*time.Hour {
		t.Fatalf("answer = %d %s", answer.Status, answer.Body)
	}

	// Then its event is published before the process ends
	p.Signal(t, syscall.SIGTERM)
	p.AwaitEnd(t)
	if events := servicetest.Published(t, conn, event.SubjectOrderCreated, 0); len(events) != 1 {
		t.Errorf("published %q", events)
	}
}

func TestItWaitsForItsStore(t *testing.T) {
	apptest.CheckWaitsForStore(t, apptest.OffBus(t, servicetest.Key))
}

func TestItWaitsForTheBus(t *testing.T) {
	p := apptest.Start(t, apptest.OffBus(t, servicetest.Key)...)
	p.AwaitUnready(t, "waiting for the bus")
	p.Signal(t, syscall.SIGTERM)
	p.AwaitEnd(t)
}
