package main

import (
	"path/filepath"
	"syscall"
	"testing"

	"ticketing/pkg/app/apptest"
	"ticketing/services/servicetest"
)

func TestMain(m *testing.M) { apptest.Main(m, main) }

// good is an environment with which auth starts, on a store of the test's own.
func good(t *testing.T) []string {
	return []string{"JWT_KEY=" + servicetest.Key, "BOLT_FILE=" + filepath.Join(t.TempDir(), "auth.db")}
}

func TestItSaysInOneLineWhyItDoesNotStart(t *testing.T) {
	apptest.CheckRefusals(t, "auth", good(t))
}

func TestItServesUntilItIsToldToEnd(t *testing.T) {
	env := good(t)
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
	env := apptest.Environ(good(t), "BOLT_FILE", "MONGO_URI=mongodb://"+apptest.NobodyAt(t))
	p := apptest.Start(t, env...)
	p.AwaitUnready(t, "store unavailable")
	p.Signal(t, syscall.SIGTERM)
	p.AwaitEnd(t)
}
