package main

import (
	"syscall"
	"testing"

	"ticketing/pkg/app/apptest"
	"ticketing/pkg/service/servicetest"
)

func TestMain(m *testing.M) { apptest.Main(m, main) }

func TestItSaysInOneLineWhyItDoesNotStart(t *testing.T) {
	apptest.CheckRefusals(t, "auth", apptest.OffBus(t, servicetest.Key))
}

func TestItServesUntilItIsToldToEnd(t *testing.T) {
	env := apptest.OffBus(t, servicetest.Key)
	for _, tt := range []struct {
		signal syscall.Signal
		path   string
		status int
	}{
		{syscall.SIGTERM, "signup", 201},
		{syscall.SIGINT, "signin", 200}, // the next process has what the first one stored
	} {
		p := apptest.Start(t, env...)
		p.AwaitReady(t)
		s := servicetest.Server{Addr: p.HTTP}
		s.Expect(t, servicetest.Request{
			Line: "POST /api/users/" + tt.path, Media: servicetest.JSON, Body: `{"email":"ann@example.com","password":"secret"}`,
		}, tt.status)
		p.Signal(t, tt.signal)
		p.AwaitEnd(t)
	}
}

func TestItWaitsForItsStore(t *testing.T) {
	apptest.CheckWaitsForStore(t, apptest.OffBus(t, servicetest.Key))
}
