package httpapi

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// checkTimeout is how long one readiness check may take; kubelet gives up after a few seconds.
const checkTimeout = 2 * time.Second

// Effect is what a failing check does to readiness.
type Effect int

const (
	// Unready takes the process out of service while the check fails.
	Unready Effect = iota
	// UnreadyAtStart does so until the check has passed once; from then on failing it only degrades.
	UnreadyAtStart
	// Degraded is shown, and leaves the process in service.
	Degraded
)

// Check is one thing a service needs to be able to work.
type Check struct {
	// Name of what is checked, for instance "store".
	Name string
	// Check returns nil when it works, else the reason. It ends when ctx does and may be called
	// concurrently.
	Check func(ctx context.Context) error
	// Effect of a failure. The zero value is Unready.
	Effect Effect
}

// readiness is the body of /readyz.
type readiness struct {
	Ready    bool          `json:"ready"`
	Degraded bool          `json:"degraded,omitempty"`
	Checks   []checkResult `json:"checks"`
}

type checkResult struct {
	Name   string `json:"name"`
	Ready  bool   `json:"ready"`
	Reason string `json:"reason,omitempty"`
}

// Admin serves the people who run the service. GET /healthz is 200 while the process can answer at all. GET /readyz
// is 200 while no check makes the process Unready, else 503, with JSON that names each check and its reason. The
// caller may add routes, such as /metrics.
//
// Reasons show internals, so serve it on a listener of its own, never on the public one. The browser of the person
// on call can reach that listener too. So a change that the page of another site asks for is refused with 403. A
// request whose Host is a DNS name other than localhost is refused with 421.
func Admin(checks ...Check) chi.Router {
	watched := make([]*watchedCheck, len(checks))
	for i, c := range checks {
		watched[i] = &watchedCheck{Check: c}
	}
	r := chi.NewRouter()
	refuse := Refuse(refuseWithProblem)
	r.Use(securityHeaders(dataOnly), addressedDirectly, refuse.sameOrigin(), middleware.GetHead)
	r.NotFound(refuse.notFound)
	r.MethodNotAllowed(refuse.methodNotAllowed)
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		_ = WriteJSON(w, http.StatusOK, map[string]bool{"alive": true})
	})
	r.Get("/readyz", func(w http.ResponseWriter, r *http.Request) {
		answer := runChecks(r.Context(), watched)
		status := http.StatusOK
		if !answer.Ready {
			status = http.StatusServiceUnavailable
		}
		_ = WriteJSON(w, status, answer)
	})
	return r
}

// watchedCheck remembers whether a check has ever passed.
type watchedCheck struct {
	Check
	passed atomic.Bool
}

// run returns the result and whether a failure only degrades.
func (c *watchedCheck) run(ctx context.Context) (result checkResult, degrades bool) {
	err := c.Check.Check(ctx)
	if err == nil {
		c.passed.Store(true)
		return checkResult{Name: c.Name, Ready: true}, false
	}
	degrades = c.Effect == Degraded || (c.Effect == UnreadyAtStart && c.passed.Load())
	return checkResult{Name: c.Name, Reason: err.Error()}, degrades
}

// runChecks runs all checks at the same time, so that one that hangs hides no other.
func runChecks(ctx context.Context, checks []*watchedCheck) readiness {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	answer := readiness{Ready: true, Checks: make([]checkResult, len(checks))}
	degrades := make([]bool, len(checks))
	var running sync.WaitGroup
	for i, c := range checks {
		running.Go(func() { answer.Checks[i], degrades[i] = c.run(ctx) })
	}
	running.Wait()
	for i, c := range answer.Checks {
		answer.Ready = answer.Ready && (c.Ready || degrades[i])
		answer.Degraded = answer.Degraded || !c.Ready
	}
	return answer
}
