package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
)

// newAPI is a small service behind the router, and its log.
func newAPI() (http.Handler, *bytes.Buffer) {
	var lines bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	r := httpapi.NewRouter(log)
	r.Get("/api/tickets", httpapi.Handle(log, func(w http.ResponseWriter, _ *http.Request) error {
		return httpapi.WriteJSON(w, http.StatusOK, []string{})
	}))
	r.Post("/api/tickets", httpapi.Handle(log, func(w http.ResponseWriter, r *http.Request) error {
		v, err := httpapi.Decode[struct {
			Title string `json:"title"`
		}](r)
		if err != nil {
			return err
		}
		return httpapi.WriteJSON(w, http.StatusCreated, v)
	}))
	r.Get("/api/tickets/{id}", httpapi.Handle(log, func(w http.ResponseWriter, r *http.Request) error {
		if chi.URLParam(r, "id") == "1" {
			return httpapi.WriteJSON(w, http.StatusOK, "one")
		}
		return fault.New(fault.NotFound, "no such ticket")
	}))
	r.Get("/panic", func(http.ResponseWriter, *http.Request) { panic("at the disco") })
	r.Get("/late", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half an ans")
		panic("late")
	})
	return r, &lines
}

func TestRouterAnswersWhatNoRouteTakes(t *testing.T) {
	api, log := newAPI()
	server := httptest.NewServer(api)
	defer server.Close()
	for _, tt := range []struct {
		request string // the request line as sent, without the protocol
		status  int
		allow   string
	}{
		{"GET /api/tickets", 200, ""},
		{"HEAD /api/tickets", 200, ""},
		{"GET /api/tickets/1", 200, ""},
		{"GET /api/tickets?x=//../", 200, ""},
		{"GET /nowhere", 404, ""},
		{"GET /", 404, ""},
		{"DELETE /api/tickets", 405, "GET, HEAD, POST"},
		{"OPTIONS /api/tickets/1", 405, "GET, HEAD"},
		{"BREW /api/tickets/1", 405, "GET, HEAD"},
		{"BREW /nowhere", 404, ""},
		{"GET /api/tickets/", 404, ""},
		{"GET //api/tickets", 404, ""},
		{"GET /api//tickets", 404, ""},
		{"GET /api/./tickets", 404, ""},
		{"GET /api/x/../tickets", 404, ""},
		{"GET /api/%2e%2E/api/tickets", 404, ""},
		{"GET /api/../../etc/passwd", 404, ""},
		{"GET /api%2ftickets", 404, ""},
		{"GET /api%2Ftickets/1", 404, ""},
		{"GET /api/tickets/%5c..%5c1", 404, ""},
		{"GET /api/tickets/1%00", 404, ""},
		{"GET /api/tickets/%0d%0aSet-Cookie:x", 404, ""},
		{"GET /api/tickets/%252e%252e", 404, ""},
		{"GET /api/tickets/%ff", 404, ""},
		{"GET /api/tickets;x=1", 404, ""},
	} {
		t.Run(tt.request, func(t *testing.T) {
			answer := exchange(t, server, tt.request+" HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n")
			if answer.StatusCode != tt.status {
				t.Fatalf("status = %d, want %d", answer.StatusCode, tt.status)
			}
			if got := answer.Header.Get("Allow"); got != tt.allow {
				t.Errorf("Allow = %q, want %q", got, tt.allow)
			}
			for name, want := range map[string]string{
				"X-Content-Type-Options":  "nosniff",
				"Cache-Control":           "no-store",
				"Referrer-Policy":         "no-referrer",
				"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			} {
				if got := answer.Header.Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			if tt.status != 200 {
				problemIn(t, answer)
			}
		})
	}
	server.Close()
	for line := range strings.Lines(log.String()) {
		if !strings.Contains(line, `"level":"DEBUG"`) {
			t.Errorf("a bad request logged %s", line)
		}
	}
}

// An encoded slash is two segments to a gateway that decodes it, and one to a route that takes any segment.
func TestRouterRefusesEncodedSlashes(t *testing.T) {
	r := httpapi.NewRouter(slog.New(slog.DiscardHandler))
	answer := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	r.HandleFunc("/one/{any}", answer)
	r.HandleFunc("/all/*", answer)
	for path, want := range map[string]int{
		"/one/%41%20b": 204, "/all/a/%41": 204, "/one/a?next=%2F": 204, "/one/%252f": 204,
		"/one/a%2fb": 404, "/one/a%2Fb": 404, "/one/%2f": 404, "/one/a%2F": 404, "/one/%2e%2e%2fb": 404,
		"/all/a/b%2fc": 404, "/all/a/b%2Fc": 404, "/all/%2Fa": 404, "/all/%41%2fb": 404,
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			w := httptest.NewRecorder()
			r.ServeHTTP(w, httptest.NewRequest(method, path, nil))
			if w.Code != want {
				t.Errorf("%s %s = %d, want %d", method, path, w.Code, want)
			}
		}
	}
}

func TestNotYetIsARouterWithoutRoutes(t *testing.T) {
	server := httptest.NewServer(httpapi.NotYet(slog.New(slog.DiscardHandler)))
	defer server.Close()
	for request, status := range map[string]int{
		"GET /": 503, "HEAD /api/tickets": 503, "POST /api/users/signup": 503, "BREW /api/tickets": 503, "GET /api//tickets": 404,
	} {
		answer := exchange(t, server, request+" HTTP/1.1\r\nHost: local\r\nConnection: close\r\n\r\n")
		if answer.StatusCode != status {
			t.Errorf("%s: status = %d, want %d", request, answer.StatusCode, status)
		}
		if got := answer.Header.Get("Cache-Control"); got != "no-store" {
			t.Errorf("%s: Cache-Control = %q", request, got)
		}
		if got := answer.Header.Get("Retry-After"); (got == "2") != (status == 503) {
			t.Errorf("%s: Retry-After = %q", request, got)
		}
	}
}

// exchange sends raw bytes, as clients that clean up paths cannot be used here.
func exchange(t *testing.T, server *httptest.Server, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	answer, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestRouterLimitsTheBody(t *testing.T) {
	api, _ := newAPI()
	server := httptest.NewServer(api)
	defer server.Close()
	for size, want := range map[int]int{httpapi.MaxBody: http.StatusCreated, httpapi.MaxBody + 1: http.StatusRequestEntityTooLarge} {
		title, end := `{"title":"`, `"}`
		body := title + strings.Repeat("x", size-len(title)-len(end)) + end
		for name, reader := range map[string]io.Reader{
			"announced": strings.NewReader(body),
			"chunked":   io.MultiReader(strings.NewReader(body)), // a type whose length is not known
		} {
			answer, err := http.Post(server.URL+"/api/tickets", "application/json", reader)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if answer.StatusCode != want {
				t.Errorf("%d bytes, %s: status = %d, want %d", size, name, answer.StatusCode, want)
			}
			if want != http.StatusCreated {
				problemIn(t, answer)
			}
			_ = answer.Body.Close()
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestRouterRefusesOtherOrigins(t *testing.T) {
	for _, tt := range []struct {
		name, method, header, value string
		status                      int
	}{
		{"no browser", "POST", "", "", 201},
		{"same origin", "POST", "Sec-Fetch-Site", "same-origin", 201},
		{"other site", "POST", "Sec-Fetch-Site", "cross-site", 403},
		{"other origin, old browser", "POST", "Origin", "https://evil.example", 403},
		{"other site reads", "GET", "Sec-Fetch-Site", "cross-site", 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			api, _ := newAPI()
			r := httptest.NewRequest(tt.method, "/api/tickets", strings.NewReader(`{}`))
			r.Header.Set("Content-Type", "application/json")
			if tt.header != "" {
				r.Header.Set(tt.header, tt.value)
			}
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if w.Code != tt.status {
				t.Errorf("status = %d, want %d", w.Code, tt.status)
			}
			if tt.status == 403 {
				problemIn(t, w.Result())
			}
		})
	}
}

func TestPanicIsOneAnswerAndOneErrorLine(t *testing.T) {
	api, log := newAPI()
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/panic", nil))
	if w.Code != 500 {
		t.Errorf("status = %d, want 500", w.Code)
	}
	if p := problemIn(t, w.Result()); strings.Contains(fmt.Sprint(p), "disco") {
		t.Errorf("the client is told %v", p)
	}
	if n := strings.Count(log.String(), `"level":"ERROR"`); n != 1 || !strings.Contains(log.String(), "at the disco") {
		t.Errorf("%d error lines in %s", n, log)
	}
}

func TestPanicAfterTheAnswerBeganCutsTheConnection(t *testing.T) {
	api, _ := newAPI()
	w := httptest.NewRecorder()
	defer func() {
		if cause := recover(); cause != http.ErrAbortHandler {
			t.Errorf("recovered %v, want http.ErrAbortHandler", cause)
		}
	}()
	api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/late", nil))
	t.Error("half an answer was passed off as a whole one")
}
