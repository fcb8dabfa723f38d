// Package servicetest serves a service to its tests and sends it what clients send, good and bad.
//
//	test ──> Serve(service): its routes on a free port, its background work
//	     ──> Send(Request) ──> Answer ──> CheckProblem
//	     ──> BadBodies, BadPaths, BadQueries, BadSessions: what every service must refuse
//	     ──> Published: what it has put on the bus       Log: what it has said       Store: one that goes away
package servicetest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/service"
)

// Patience is how long an awaited thing may take on a slow, noisy machine.
const Patience = time.Minute

// Server is a service that is running.
type Server struct {
	// Addr is where its routes are served, host and port.
	Addr string
	// Stop ends it as service.Serve does: first the requests, then the background work. It returns when all
	// of it has ended, does nothing when called again, and is called at the end of the test.
	Stop func()

	admin http.Handler
}

// Serve runs a service until the test ends.
func Serve(t testing.TB, s *service.Service) *Server {
	t.Helper()
	public := httptest.NewServer(s.Handler())
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }() // Stop waits for it
	server := &Server{Addr: public.Listener.Addr().String(), admin: s.AdminHandler()}
	server.Stop = sync.OnceFunc(func() {
		public.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(server.Stop)
	return server
}

// Health is what the service says of itself on the admin listener.
type Health struct {
	Ready    bool
	Degraded bool
	Checks   []struct {
		Name   string
		Ready  bool
		Reason string
	}
}

// Lacks tells whether a check fails, and for a reason with these words.
func (h Health) Lacks(check, words string) bool {
	for _, c := range h.Checks {
		if c.Name == check && !c.Ready && strings.Contains(c.Reason, words) {
			return true
		}
	}
	return false
}

// Health asks /readyz.
func (s *Server) Health(t testing.TB) Health {
	t.Helper()
	w := httptest.NewRecorder()
	s.admin.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/readyz", nil))
	var h Health
	if err := json.Unmarshal(w.Body.Bytes(), &h); err != nil {
		t.Fatalf("readyz: %d %s: %v", w.Code, w.Body, err)
	}
	if h.Ready != (w.Code == http.StatusOK) {
		t.Errorf("readyz: %d %s", w.Code, w.Body)
	}
	return h
}

// AwaitReady waits until the service is ready.
func (s *Server) AwaitReady(t testing.TB) {
	t.Helper()
	Eventually(t, "the service is ready", func() bool { return s.Health(t).Ready })
}

// Eventually polls, for what has no event that could be awaited.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(Patience); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", Patience, what)
		}
	}
}
