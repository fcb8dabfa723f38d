package service

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"

	"ticketing/pkg/httpapi"
)

// stage is how far a process is: it waits for its service, or serves it, or ends. Its two listeners answer by it.
type stage struct {
	publicNow, adminNow atomic.Pointer[http.Handler]
}

func newStage(log *slog.Logger) *stage {
	s := &stage{}
	set(&s.publicNow, httpapi.NotYet(log))
	s.unready(errors.New("starting"))
	return s
}

// opened lets the service answer on both listeners. Its checks decide whether it is ready.
func (s *stage) opened(service *Service) {
	set(&s.publicNow, service.Handler())
	set(&s.adminNow, service.AdminHandler())
}

// unready makes the process unready for a reason of its own. The public get the same answers as before.
func (s *stage) unready(reason error) {
	set(&s.adminNow, httpapi.Admin(httpapi.Check{Name: "process", Check: func(context.Context) error { return reason }}))
}

func (s *stage) public() http.Handler { return current(&s.publicNow) }

func (s *stage) admin() http.Handler { return current(&s.adminNow) }

func set(now *atomic.Pointer[http.Handler], h http.Handler) { now.Store(&h) }

// current answers with whatever is set when the request comes.
func current(now *atomic.Pointer[http.Handler]) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*now.Load()).ServeHTTP(w, r) })
}
