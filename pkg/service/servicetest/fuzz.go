package servicetest

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"ticketing/pkg/httpapi"
)

// Call sends a request to routes without a network between, as fuzzing needs: thousands in a second.
func Call(t testing.TB, routes http.Handler, r Request) Answer {
	t.Helper()
	method, target, _ := strings.Cut(r.Line, " ")
	request := httptest.NewRequestWithContext(t.Context(), method, "http://localhost"+target, strings.NewReader(r.Body))
	for name, value := range map[string]string{"Content-Type": r.Media, "Cookie": cookie(r.Session)} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	w := httptest.NewRecorder()
	routes.ServeHTTP(w, request)
	return Answer{w.Code, w.Header(), strings.TrimSuffix(w.Body.String(), "\n")}
}

// CheckRefused finds that an answer is a problem document of one of these statuses, and no success in part.
func (a Answer) CheckRefused(t testing.TB, statuses ...int) {
	t.Helper()
	if !slices.Contains(statuses, a.Status) {
		t.Fatalf("answer = %d %.300s, want one of %v", a.Status, a.Body, statuses)
	}
	field := ""
	if p := Decode[httpapi.Problem](t, a); len(p.Errors) > 0 {
		field = p.Errors[0].Field
	}
	a.CheckProblem(t, a.Status, field)
}
