package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"ticketing/pkg/app/apptest"
	"ticketing/pkg/service/servicetest"
)

func TestMain(m *testing.M) { apptest.Main(m, main) }

func TestItSaysInOneLineWhyItDoesNotStart(t *testing.T) {
	for _, variable := range []string{"USERS_URL", "TICKETS_URL", "ORDERS_URL", "PAYMENTS_URL"} {
		got := apptest.Refusal(t, variable+"=tickets-srv:3000")
		if !strings.HasPrefix(got, "web: ") || !strings.Contains(got, variable) {
			t.Errorf("it said %q", got)
		}
	}
}

// It is there without anything else, and says that the others are away.
func TestItServesUntilItIsToldToEnd(t *testing.T) {
	p := apptest.Start(t, "TICKETS_URL=http://"+apptest.NobodyAt(t))
	p.AwaitReady(t)
	s := servicetest.Server{Addr: p.HTTP}
	answer := s.MustSend(t, servicetest.Request{Line: "GET /"})
	if answer.Status != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" || !strings.Contains(answer.Body, "try again in a moment") {
		t.Errorf("answer = %d %v %s", answer.Status, answer.Header, answer.Body)
	}
	p.Signal(t, syscall.SIGTERM)
	p.AwaitEnd(t)
}
