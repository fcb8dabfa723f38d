package httpapi

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	"ticketing/pkg/fault"
	"ticketing/pkg/store"
)

// NewRouter returns the router of a public listener, ready for routes. Every request, also one that no
// route takes, passes the middleware below; the outermost is first. Register routes with
// Handle; a GET route answers HEAD as well.
//
// Cross-origin requests that change something are refused by what the browser says of their
// origin (Sec-Fetch-Site, Origin), so a gateway in front must pass Host on as it came.
func NewRouter(log *slog.Logger) chi.Router {
	return newRouter(log, dataOnly, refuseWithProblem)
}

// Refuse answers a request with an error: a fault, or the service's own failure.
type Refuse func(w http.ResponseWriter, r *http.Request, err error)

// refuseWithProblem is the Refuse of an API.
func refuseWithProblem(w http.ResponseWriter, _ *http.Request, err error) { WriteProblem(w, err) }

// NewPageRouter is NewRouter for pages that people look at. policy is the Content-Security-Policy of every answer, and
// refuse makes the answer to what the middleware or the router refuses.
func NewPageRouter(log *slog.Logger, policy string, refuse Refuse) chi.Router {
	return newRouter(log, policy, refuse)
}

func newRouter(log *slog.Logger, policy string, refuse Refuse) chi.Router {
	r := chi.NewRouter()
	r.Use(
		securityHeaders(policy),
		accessLine(log),
		refuse.recoverPanic(log),
		refuse.plainPath,
		refuse.limitBody,
		refuse.sameOrigin(),
		middleware.GetHead,
	)
	r.NotFound(refuse.notFound)
	r.MethodNotAllowed(refuse.methodNotAllowed)
	return r
}

// NotYet answers 503 to every request that a router of NewRouter would pass on, as a service whose store is away does:
// for a process that waits for its store before it can begin.
func NotYet(log *slog.Logger) http.Handler {
	r := NewRouter(log)
	away := func(w http.ResponseWriter, _ *http.Request) { WriteProblem(w, store.ErrUnavailable) }
	r.HandleFunc("/*", away) // without a route chi leaves out the middleware
	r.MethodNotAllowed(away)
	return r
}

func (refuse Refuse) notFound(w http.ResponseWriter, r *http.Request) {
	refuse(w, r, fault.New(fault.NotFound, "no such path"))
}

// methodNotAllowed answers 405 with the methods the path has, or 404 where it has none: chi also comes
// here for every method it does not know.
func (refuse Refuse) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	routes := chi.RouteContext(r.Context()).Routes
	path := r.URL.EscapedPath()
	var allowed []string
	for _, method := range []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	} {
		lookup := method
		if method == http.MethodHead { // served by the GET route
			lookup = http.MethodGet
		}
		if routes.Match(chi.NewRouteContext(), lookup, path) {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		refuse.notFound(w, r)
		return
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	refuse(w, r, errMethod)
}

// dataOnly is the policy of an answer that is data: never framed or executed.
const dataOnly = "default-src 'none'; frame-ancestors 'none'"

// securityHeaders says that an answer is for the one who asked: never cached or sniffed.
func securityHeaders(policy string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("Cache-Control", "no-store")
			h.Set("Content-Security-Policy", policy)
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("X-Content-Type-Options", "nosniff")
			next.ServeHTTP(w, r)
		})
	}
}

// sameOrigin refuses what a page of another site makes a browser send, unless it only reads.
func (refuse Refuse) sameOrigin() func(http.Handler) http.Handler {
	origins := http.NewCrossOriginProtection()
	origins.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse(w, r, fault.New(fault.Forbidden, "cross-origin request refused"))
	}))
	return origins.Handler
}

// plainPath answers 404 to a path that could mean one thing to a gateway and another to the router:
// empty or dot segments, encoded slashes, backslashes, control characters. None of our routes has
// such a path, and nothing is cleaned up and redirected.
func (refuse Refuse) plainPath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isPlain(r.URL.Path) || strings.Contains(strings.ToLower(r.URL.RawPath), "%2f") {
			refuse.notFound(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isPlain(path string) bool {
	for _, c := range path {
		if c < ' ' || c == 0x7f || c == '\\' {
			return false
		}
	}
	for segment := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return !strings.Contains(path, "//")
}

// limitBody refuses a body over MaxBody: at once where its length is announced, else when a handler
// has read that far.
func (refuse Refuse) limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > MaxBody {
			w.Header().Set("Connection", "close") // rather than read what follows
			refuse(w, r, errTooLarge())
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		next.ServeHTTP(w, r)
	})
}

// accessLine logs one line per request at debug.
func accessLine(log *slog.Logger) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !log.Enabled(r.Context(), slog.LevelDebug) {
				next.ServeHTTP(w, r)
				return
			}
			start := time.Now()
			seen := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				log.DebugContext(r.Context(), "request",
					"method", r.Method, "path", r.URL.Path, "status", seen.Status(),
					"bytes", seen.BytesWritten(), "duration", time.Since(start))
			}()
			next.ServeHTTP(seen, r)
		})
	}
}
