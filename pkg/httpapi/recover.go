package httpapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/go-chi/chi/v5/middleware"
)

// recoverPanic keeps the process alive when a handler panics: it logs the panic with its stack at
// error and answers 500. Where the answer had begun, the connection is cut, so that the client
// does not take half an answer for a whole one.
func (refuse Refuse) recoverPanic(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				cause := recover()
				if cause == nil {
					return
				}
				if cause == http.ErrAbortHandler { // net/http's own way to cut a connection
					panic(cause)
				}
				log.ErrorContext(r.Context(), "handler panicked",
					"method", r.Method, "path", r.URL.Path,
					"error", fmt.Sprint(cause), "stack", string(debug.Stack()))
				if seen.Status() != 0 {
					panic(http.ErrAbortHandler)
				}
				refuse(seen, r, errors.New("handler panicked"))
			}()
			next.ServeHTTP(seen, r)
		})
	}
}
