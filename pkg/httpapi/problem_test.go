package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/store"
)

// answerOf runs h through Handle and returns its answer and the log.
func answerOf(t *testing.T, h httpapi.Handler) (*http.Response, string) {
	t.Helper()
	var lines bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w := httptest.NewRecorder()
	httpapi.Handle(log, h)(w, httptest.NewRequest(http.MethodGet, "/api/tickets", nil))
	return w.Result(), lines.String()
}

// problemIn reads an answer that must be a problem document about itself.
func problemIn(t *testing.T, answer *http.Response) httpapi.Problem {
	t.Helper()
	if got := answer.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type = %q, want application/problem+json", got)
	}
	var p httpapi.Problem
	if err := json.NewDecoder(answer.Body).Decode(&p); err != nil {
		t.Fatalf("answer is no problem document: %v", err)
	}
	if p.Status != answer.StatusCode || p.Title != http.StatusText(p.Status) || p.Type != "about:blank" {
		t.Errorf("problem of status %d calls itself %q %q %d", answer.StatusCode, p.Type, p.Title, p.Status)
	}
	if len(p.Errors) == 0 || p.Detail == "" {
		t.Errorf("problem says nothing: %+v", p)
	}
	return p
}

func TestEveryErrorHasItsStatus(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		level  string
	}{
		{fault.New(fault.Invalid, "x"), 400, "DEBUG"},
		{fault.New(fault.Unauthenticated, "x"), 401, "DEBUG"},
		{fault.New(fault.Forbidden, "x"), 403, "DEBUG"},
		{fault.New(fault.NotFound, "x"), 404, "DEBUG"},
		{fault.New(fault.Conflict, "x"), 409, "DEBUG"},
		{fault.New(fault.Stale, "x"), 412, "DEBUG"},
		{fault.New(fault.TooLarge, "x"), 413, "DEBUG"},
		{fault.New(fault.Unsupported, "x"), 415, "DEBUG"},
		{fault.New(fault.Reused, "x"), 422, "DEBUG"},
		{fault.New(fault.TooMany, "x"), 429, "DEBUG"},
		{fault.New(fault.Unavailable, "x"), 503, "WARN"},
		{store.ErrNotFound, 404, "DEBUG"},
		{store.ErrConflict, 409, "DEBUG"},
		{store.ErrUnavailable, 503, "WARN"},
		{context.DeadlineExceeded, 503, "WARN"},
		{context.Canceled, 503, "DEBUG"},
		{errors.New("x"), 500, "ERROR"},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			answer, log := answerOf(t, func(http.ResponseWriter, *http.Request) error {
				return fmt.Errorf("show ticket: %w", tt.err)
			})
			if answer.StatusCode != tt.status {
				t.Errorf("status = %d, want %d", answer.StatusCode, tt.status)
			}
			problemIn(t, answer)
			if want := `"level":"` + tt.level + `"`; !strings.Contains(log, want) {
				t.Errorf("log = %s, want %s", log, want)
			}
			again := answer.Header.Get("Retry-After") != ""
			if want := tt.status == 503 || tt.status == 429; again != want {
				t.Errorf("has Retry-After: %v, want %v", again, want)
			}
			if scheme := answer.Header.Get("WWW-Authenticate") != ""; scheme != (tt.status == 401) {
				t.Errorf("has WWW-Authenticate: %v", scheme)
			}
		})
	}
}

func TestProblemCarriesEveryDetail(t *testing.T) {
	answer, _ := answerOf(t, func(http.ResponseWriter, *http.Request) error {
		return fault.Join(
			fault.InvalidField("title", "must not be <empty>"),
			fault.InvalidField("price", "must be a number"))
	})
	want := httpapi.Problem{
		Type: "about:blank", Title: "Bad Request", Status: 400,
		Detail: "title: must not be <empty>; price: must be a number",
		Errors: []httpapi.ProblemError{
			{Message: "must not be <empty>", Field: "title"},
			{Message: "must be a number", Field: "price"},
		},
	}
	if diff := cmp.Diff(want, problemIn(t, answer)); diff != "" {
		t.Errorf("problem (-want +got):\n%s", diff)
	}
}

func TestInternalsStayInTheLog(t *testing.T) {
	secret := errors.New("dial mongodb://root:hunter2@db: refused")
	for _, err := range []error{secret, fmt.Errorf("%w: %w", store.ErrUnavailable, secret)} {
		answer, log := answerOf(t, func(http.ResponseWriter, *http.Request) error { return err })
		if p := problemIn(t, answer); strings.Contains(fmt.Sprintf("%+v", p), "hunter2") {
			t.Errorf("the client is told %+v", p)
		}
		if !strings.Contains(log, "hunter2") {
			t.Errorf("the log misses the cause: %s", log)
		}
	}
}

func TestProblemDropsHeadersOfTheSuccess(t *testing.T) {
	answer, _ := answerOf(t, func(w http.ResponseWriter, r *http.Request) error {
		httpapi.SetETag(w, 7)
		httpapi.LinkNext(w, r, "65a000000000000000000001")
		return store.ErrNotFound
	})
	if answer.Header.Get("ETag") != "" || answer.Header.Get("Link") != "" {
		t.Errorf("a 404 carries %v", answer.Header)
	}
}

func TestWriteJSON(t *testing.T) {
	answer, _ := answerOf(t, func(w http.ResponseWriter, _ *http.Request) error {
		return httpapi.WriteJSON(w, http.StatusCreated, map[string]string{"title": "Rock & <Roll>"})
	})
	var body bytes.Buffer
	_, _ = body.ReadFrom(answer.Body)
	if got, want := body.String(), "{\"title\":\"Rock & <Roll>\"}\n"; got != want {
		t.Errorf("body = %q, want %q", got, want)
	}
	if answer.StatusCode != 201 || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("answer = %d %s", answer.StatusCode, answer.Header.Get("Content-Type"))
	}

	answer, _ = answerOf(t, func(w http.ResponseWriter, _ *http.Request) error {
		return httpapi.WriteJSON(w, http.StatusCreated, func() {})
	})
	if answer.StatusCode != 500 {
		t.Errorf("a value that cannot be encoded gave %d, want 500", answer.StatusCode)
	}
}

func TestProblemTellsWhenToComeBack(t *testing.T) {
	for wait, want := range map[time.Duration]string{
		0: "2", time.Nanosecond: "1", time.Second: "1", 1001 * time.Millisecond: "2", time.Hour: "3600",
	} {
		answer, _ := answerOf(t, func(http.ResponseWriter, *http.Request) error {
			return fmt.Errorf("sign in: %w", fault.TooOften(wait, "too often"))
		})
		if got := answer.Header.Get("Retry-After"); got != want || answer.StatusCode != 429 {
			t.Errorf("after %v: %d, Retry-After %q, want 429 and %q", wait, answer.StatusCode, got, want)
		}
	}
}
