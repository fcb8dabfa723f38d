package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"testing"
	"time"

	"ticketing/pkg/event"
)

// patience is how long an awaited thing may take on a slow, noisy machine.
const patience = 2 * time.Minute

// testConfig takes free ports and a folder of the test's own.
func testConfig(t testing.TB) Config {
	return Config{
		GatewayAddr: "127.0.0.1:0", NATSAddr: "127.0.0.1:0", MonitorAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0",
		DataDir: t.TempDir(), SessionTTL: time.Hour, OrderWindow: 15 * time.Minute, passwordCost: 4,
	}
}

// startSystem runs a system until stop is called or the test ends.
func startSystem(t testing.TB, cfg Config, log *slog.Logger) (s *System, stop func()) {
	t.Helper()
	s, err := Start(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return s, stop
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// eventually polls, for what has no event that could be awaited.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// user is a person with a browser: their cookies are kept.
type user struct {
	t      testing.TB
	base   string
	client *http.Client
}

// ticket and order are what the API answers.
type ticket struct {
	ID      event.ID      `json:"id"`
	Title   string        `json:"title"`
	Price   json.Number   `json:"price"`
	UserID  event.ID      `json:"userId"`
	Version event.Version `json:"version"`
	OrderID event.ID      `json:"orderId"`
	Status  string        `json:"status"`
}

type order struct {
	ID     event.ID `json:"id"`
	Status string   `json:"status"`
	Ticket ticket   `json:"ticket"`
}

// signUp makes a user with an account.
func signUp(t testing.TB, s *System, name string) *user {
	t.Helper()
	u := visit(t, s)
	u.signUp(name)
	return u
}

// visit makes a user who has no account yet.
func visit(t testing.TB, s *System) *user {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return &user{t: t, base: s.GatewayURL(), client: &http.Client{Jar: jar, Transport: transport, Timeout: patience}}
}

func (u *user) signUp(name string) {
	u.t.Helper()
	u.must("POST", "/api/users/signup", map[string]string{"email": name + "@example.com", "password": "secret"}, http.StatusCreated, nil)
}

// do sends a request and reads the answer into into, where that is not nil and the status is 2xx.
func (u *user) do(method, path string, body, into any) (status int, err error) {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequest(method, u.base+path, payload)
	if err != nil {
		return 0, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := u.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if into == nil || res.StatusCode >= 300 {
		return res.StatusCode, nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return res.StatusCode, fmt.Errorf("%s %s answered %q: %w", method, path, data, err)
	}
	return res.StatusCode, nil
}

// expect is do, with an error where the status is not the one wanted.
func (u *user) expect(method, path string, body any, want int, into any) error {
	status, err := u.do(method, path, body, into)
	if err == nil && status != want {
		err = fmt.Errorf("%s %s answered %d, want %d", method, path, status, want)
	}
	return err
}

// must is expect, for the goroutine of the test.
func (u *user) must(method, path string, body any, want int, into any) {
	u.t.Helper()
	if err := u.expect(method, path, body, want, into); err != nil {
		u.t.Fatal(err)
	}
}

// draft is a ticket's body, at a price in whole units.
func draft(title string, price int) map[string]any {
	return map[string]any{"title": title, "price": price}
}
