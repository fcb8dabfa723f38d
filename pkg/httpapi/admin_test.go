package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ticketing/pkg/httpapi"
)

// adminRequest is a request, such as "GET /readyz", to a forwarded admin listener.
func adminRequest(request string) *http.Request {
	method, path, _ := strings.Cut(request, " ")
	return httptest.NewRequest(method, "http://localhost:8081"+path, nil)
}

func TestAdmin(t *testing.T) {
	works := httpapi.Check{Name: "store", Check: func(context.Context) error { return nil }}
	fails := httpapi.Check{Name: "bus", Check: func(context.Context) error { return errors.New("connection lost") }}
	degrades := httpapi.Check{Name: "gaps", Effect: httpapi.Degraded, Check: func(context.Context) error { return errors.New("one is old") }}
	hangs := httpapi.Check{Name: "clock", Check: func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	for _, tt := range []struct {
		name   string
		path   string
		checks []httpapi.Check
		status int
		body   string
	}{
		{"alive without being ready", "/healthz", []httpapi.Check{fails}, 200, `{"alive":true}`},
		{"nothing to check", "/readyz", nil, 200, `{"ready":true,"checks":[]}`},
		{"ready", "/readyz", []httpapi.Check{works}, 200, `{"ready":true,"checks":[{"name":"store","ready":true}]}`},
		{"one fails", "/readyz", []httpapi.Check{works, fails}, 503,
			`{"ready":false,"degraded":true,"checks":[{"name":"store","ready":true},` +
				`{"name":"bus","ready":false,"reason":"connection lost"}]}`},
		{"one hangs", "/readyz", []httpapi.Check{hangs, works}, 503,
			`{"ready":false,"degraded":true,"checks":[{"name":"clock","ready":false,"reason":"context deadline exceeded"},` +
				`{"name":"store","ready":true}]}`},
		{"one that only degrades fails", "/readyz", []httpapi.Check{works, degrades}, 200,
			`{"ready":true,"degraded":true,"checks":[{"name":"store","ready":true},` +
				`{"name":"gaps","ready":false,"reason":"one is old"}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			httpapi.Admin(tt.checks...).ServeHTTP(w, adminRequest("GET "+tt.path))
			if got := strings.TrimSpace(w.Body.String()); w.Code != tt.status || got != tt.body {
				t.Errorf("answer = %d %s, want %d %s", w.Code, got, tt.status, tt.body)
			}
		})
	}
}

// What must have worked once makes a process unready until then, and no longer after.
func TestACheckOfTheStart(t *testing.T) {
	fault := errors.New("not connected")
	admin := httpapi.Admin(httpapi.Check{Name: "bus", Effect: httpapi.UnreadyAtStart, Check: func(context.Context) error { return fault }})
	status := func() int {
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, adminRequest("GET /readyz"))
		return w.Code
	}
	if got := status(); got != http.StatusServiceUnavailable {
		t.Errorf("before it has passed: %d, want 503", got)
	}
	fault = nil
	if got := status(); got != http.StatusOK {
		t.Errorf("when it passes: %d, want 200", got)
	}
	fault = errors.New("connection lost")
	if got := status(); got != http.StatusOK {
		t.Errorf("when it fails again: %d, want 200", got)
	}
}

// A page that is open in the browser of the person on call must not act for them.
func TestAdminRefusesOtherSites(t *testing.T) {
	admin := httpapi.Admin()
	admin.Post("/rebuild", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	for _, tt := range []struct {
		header, value string
		want          int
	}{
		{"", "", http.StatusAccepted}, // busctl, curl
		{"Sec-Fetch-Site", "same-origin", http.StatusAccepted},
		{"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"Origin", "http://evil.example", http.StatusForbidden},
	} {
		r := adminRequest("POST /rebuild")
		r.Header.Set(tt.header, tt.value)
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%s %s: status = %d, want %d", tt.header, tt.value, w.Code, tt.want)
		}
	}
}

func TestAdminTakesFurtherRoutes(t *testing.T) {
	admin := httpapi.Admin()
	admin.Get("/parked", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	w := httptest.NewRecorder()
	admin.ServeHTTP(w, adminRequest("GET /parked"))
	if w.Code != http.StatusTeapot {
		t.Errorf("status = %d, want the added route's", w.Code)
	}
}
