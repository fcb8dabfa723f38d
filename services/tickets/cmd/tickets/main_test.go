package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
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
	ann     = event.ID("65a0000000000000000000aa")
	concert = `{"title":"concert","price":20}`
)

func TestItSaysInOneLineWhyItDoesNotStart(t *testing.T) {
	apptest.CheckRefusals(t, "tickets", apptest.OnBus(apptest.OffBus(t, servicetest.Key), stantest.Start(t)))
	apptest.CheckBusRefusals(t, "tickets", apptest.OffBus(t, servicetest.Key))
}

func TestItTellsThatTheBrokersVolumeIsFull(t *testing.T) {
	broker := stantest.Start(t)
	apptest.CheckVolume(t, "tickets", apptest.OnBus(apptest.OffBus(t, servicetest.Key), broker), broker)
}

func TestItServesUntilItIsToldToEnd(t *testing.T) {
	broker := stantest.Start(t)
	p := apptest.Start(t, apptest.OnBus(apptest.OffBus(t, servicetest.Key), broker)...)
	p.AwaitReady(t)

	// Given a request that is being answered
	conn, err := net.Dial("tcp", p.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /api/tickets HTTP/1.1\r\nHost: local\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Cookie: session=%s\r\nExpect: 100-continue\r\n\r\n", len(concert), servicetest.SignInAt(t, ann, time.Now()))
	answers := bufio.NewReader(conn)
	if answer, err := http.ReadResponse(answers, nil); err != nil || answer.StatusCode != http.StatusContinue {
		t.Fatalf("answer = %v, %v, want 100", answer, err)
	}

	// When it is told to end, then it says that it is not ready, and takes nothing new
	p.Signal(t, syscall.SIGTERM)
	p.AwaitUnready(t, "shutting down")
	servicetest.Eventually(t, "no connection is taken", func() bool {
		another, err := net.Dial("tcp", p.HTTP)
		if err == nil {
			_ = another.Close()
		}
		return err != nil
	})

	// But the request is answered, and its event is published before the process ends
	if _, err := io.WriteString(conn, concert); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(answers, nil)
	if err != nil || answer.StatusCode != http.StatusCreated {
		t.Fatalf("answer = %v, %v, want 201", answer, err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	p.AwaitEnd(t)
	events := servicetest.Published(t, stantest.Connect(t, broker, "spectator"), event.SubjectTicketCreated, 0)
	id := strings.TrimPrefix(answer.Header.Get("Location"), "/api/tickets/")
	if len(events) != 1 || !strings.Contains(events[0], id) {
		t.Errorf("published %q, want the event of %s", events, body)
	}
}

func TestItWaitsForItsStore(t *testing.T) {
	apptest.CheckWaitsForStore(t, apptest.OffBus(t, servicetest.Key))
}

// A process that has never been on the bus is not ready, but answers; what it has to say is said by the next.
func TestItWorksWithoutTheBus(t *testing.T) {
	env := apptest.OffBus(t, servicetest.Key)
	p := apptest.Start(t, env...)
	p.AwaitUnready(t, "bus unavailable")
	s := servicetest.Server{Addr: p.HTTP}
	s.Expect(t, servicetest.Request{
		Line: "POST /api/tickets", Session: servicetest.SignInAt(t, ann, time.Now()), Media: servicetest.JSON, Body: concert,
	}, http.StatusCreated)
	p.Signal(t, syscall.SIGTERM)
	p.AwaitEnd(t)

	broker := stantest.Start(t)
	apptest.Start(t, apptest.OnBus(env, broker)...)
	events := servicetest.Published(t, stantest.Connect(t, broker, "spectator"), event.SubjectTicketCreated, 1)
	if len(events) != 1 || !strings.Contains(events[0], `"title":"concert"`) {
		t.Errorf("published %q", events)
	}
}
