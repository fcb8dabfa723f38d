package httpapi

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// checkTimeout is how long one readiness check may take; kubelet gives up after a few seconds.
const checkTimeout = 2 * time.Second

// Check is one thing a service needs to be able to work.
type Check struct {
	// Name of what is checked, for instance "store".
	Name string
	// Check returns nil when it works, else the reason. It ends when ctx does and may be called
	// concurrently.
	Check func(ctx context.Context) error
}

// readiness is the body of /readyz.
type readiness struct {
	Ready  bool          `json:"ready"`
	Checks []checkResult `json:"checks"`
}

type checkResult struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// Admin serves what those who run the service ask: GET /healthz is 200 while the process can answer at
// all, GET /readyz is 200 while every check passes and else 503, both with JSON that names each check
// and its reason. The caller may add routes, such as /metrics. Reasons tell internals: serve
// it on a listener of its own, never on the public one.
func Admin(checks ...Check) chi.Router {
	r := chi.NewRouter()
	r.Use(securityHeaders, middleware.GetHead)
	r.NotFound(notFound)
	r.MethodNotAllowed(methodNotAllowed)
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		_ = WriteJSON(w, http.StatusOK, map[string]bool{"alive": true})
	})
	r.Get("/readyz", func(w http.ResponseWriter, r *http.Request) {
		answer := runChecks(r.Context(), checks)
		status := http.StatusOK
		if !answer.Ready {
			status = http.StatusServiceUnavailable
		}
		_ = WriteJSON(w, status, answer)
	})
	return r
}

// runChecks runs all checks at the same time, so that one that hangs hides no other.
func runChecks(ctx context.Context, checks []Check) readiness {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answer := readiness{Ready: true, Checks: make([]checkResult, len(checks))}
	var running sync.WaitGroup
	for i, c := range checks {
		running.Go(func() {
			answer.Checks[i] = checkResult{Name: c.Name, Ready: true}
			if err := c.Check(ctx); err != nil {
				answer.Checks[i] = checkResult{Name: c.Name, Reason: err.Error()}
			}
		})
	}
	running.Wait()
	for _, c := range answer.Checks {
		answer.Ready = answer.Ready && c.Ready
	}
	return answer
}
