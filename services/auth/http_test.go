package auth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/bcrypt"

	"ticketing/pkg/event"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
	"ticketing/pkg/ratelimit"
	"ticketing/pkg/service"
	"ticketing/pkg/store/bolt"
	"ticketing/services/auth"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "0123456789abcdef0123456789abcdef"

// now is the time of all tests.
func now() time.Time { return time.Unix(1767322984, 0) }

// system is an auth service that runs on a store of its own.
type system struct {
	*httptest.Server
	store   *bolt.DB
	service *service.Service
	log     *levels
}

// start lets everybody try as often as they like.
func start(t testing.TB) *system {
	return startWith(t, auth.Limits{Address: ratelimit.Rate{Off: true}, Account: ratelimit.Rate{Off: true}}, now)
}

func startWith(t testing.TB, limits auth.Limits, clock func() time.Time) *system {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "auth.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	sessions, err := identity.NewSessions([]byte(key), time.Hour, now)
	if err != nil {
		t.Fatal(err)
	}
	log := &levels{seen: slog.LevelDebug}
	deps := service.Deps{Name: auth.Name, Store: db, Sessions: sessions, Log: slog.New(log), Now: clock}
	s, err := service.Open(context.Background(), deps, auth.New, auth.Config{Limits: limits, PasswordCost: bcrypt.MinCost})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return &system{server, db, s, log}
}

// client is a person with a cookie jar of their own.
func (s *system) client(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Jar: jar, Transport: transport}
}

// send sends a request with a JSON body, or none, and returns status, header and body.
func (s *system) send(t *testing.T, c *http.Client, method, path, body string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(method, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, strings.TrimSpace(string(content))
}

// expect sends a request whose answer must have a status and a body; "" stands for any body.
func (s *system) expect(t *testing.T, c *http.Client, request, body string, status int, want string) string {
	t.Helper()
	method, path, _ := strings.Cut(request, " ")
	got, _, content := s.send(t, c, method, path, body)
	if got != status || (want != "" && content != want) {
		t.Fatalf("%s %s = %d %s, want %d %s", request, body, got, content, status, want)
	}
	return content
}

const (
	annSecret = `{"email":"ann@example.com","password":"secret"}`
	nobody    = `{"currentUser":null}`
)

func TestAPersonSignsUpInAndOut(t *testing.T) {
	s := start(t)
	ann := s.client(t)

	// Given a person who has signed up
	s.expect(t, ann, "GET /api/users/currentuser", "", 200, nobody)
	content := s.expect(t, ann, "POST /api/users/signup", annSecret, 201, "")
	var created struct{ ID, Email string }
	if err := json.Unmarshal([]byte(content), &created); err != nil {
		t.Fatal(err)
	}
	if _, err := event.ParseID(created.ID); err != nil || created.Email != "ann@example.com" {
		t.Errorf("signed up as %s", content)
	}
	me := fmt.Sprintf(`{"currentUser":{"id":"%s","email":"ann@example.com","iat":1767322984}}`, created.ID)
	view := fmt.Sprintf(`{"id":"%s","email":"ann@example.com"}`, created.ID)

	// Then they are signed in, until they sign out, twice if they like
	s.expect(t, ann, "GET /api/users/currentuser", "", 200, me)
	s.expect(t, ann, "POST /api/users/signout", "", 200, "{}")
	s.expect(t, ann, "GET /api/users/currentuser", "", 200, nobody)
	s.expect(t, ann, "POST /api/users/signout", "{}", 200, "{}")

	// And they can sign in again, however they write their e-mail
	s.expect(t, ann, "POST /api/users/signin", `{"email":"ANN@Example.com ","password":"secret"}`, 200, view)
	s.expect(t, ann, "GET /api/users/currentuser", "", 200, me)
}

func TestWrongCredentialsAreAllAlike(t *testing.T) {
	s := start(t)
	c := s.client(t)
	s.expect(t, c, "POST /api/users/signup", annSecret, 201, "")
	want := s.expect(t, c, "POST /api/users/signin", `{"email":"ann@example.com","password":"Secret"}`, 400, "")
	if !strings.Contains(want, `"errors":[{"message":"Invalid credentials"}]`) {
		t.Errorf("wrong password = %s", want)
	}
	s.expect(t, c, "POST /api/users/signin", `{"email":"bob@example.com","password":"secret"}`, 400, want)
	long := fmt.Sprintf(`{"email":"ann@example.com","password":"secret%s"}`, strings.Repeat("x", 100))
	s.expect(t, c, "POST /api/users/signin", long, 400, want)
}

func TestATakenEmailIsAConflict(t *testing.T) {
	s := start(t)
	ann, other := s.client(t), s.client(t)
	s.expect(t, ann, "POST /api/users/signup", annSecret, 201, "")

	status, header, body := s.send(t, other, "POST", "/api/users/signup", `{"email":"Ann@EXAMPLE.com","password":"other"}`)

	if status != 409 || !strings.Contains(body, `"errors":[{"message":"Email in use","field":"email"}]`) {
		t.Errorf("second sign-up = %d %s", status, body)
	}
	if header.Get("Set-Cookie") != "" {
		t.Error("the loser was signed in")
	}
	s.expect(t, other, "POST /api/users/signin", `{"email":"ann@example.com","password":"other"}`, 400, "")
	s.expect(t, other, "POST /api/users/signin", annSecret, 200, "")
}

func TestOneOfManyWinsAnEmail(t *testing.T) {
	// Given 32 people who sign up with one e-mail at the same time, each with a password of their own
	const people = 32
	s := start(t)
	var statuses [people]int
	credentials := func(i int) string { return fmt.Sprintf(`{"email":"ann@example.com","password":"secret-%d"}`, i) }
	c := s.client(t)
	var running sync.WaitGroup
	for i := range people {
		running.Go(func() { statuses[i], _, _ = s.send(t, c, "POST", "/api/users/signup", credentials(i)) })
	}
	running.Wait()

	// Then exactly one has the account, and signs in with the password they gave
	winners := 0
	for i, status := range statuses {
		signIn := 400
		switch status {
		case 201:
			winners++
			signIn = 200
		case 409:
		default:
			t.Errorf("sign-up %d = %d, want 201 or 409", i, status)
		}
		s.expect(t, c, "POST /api/users/signin", credentials(i), signIn, "")
	}
	if winners != 1 {
		t.Errorf("%d of %d won", winners, people)
	}
}

func TestTheStoreIsAway(t *testing.T) {
	s := start(t)
	c := s.client(t)
	admin := httptest.NewServer(httpapi.Admin(s.service.Checks()...))
	defer admin.Close()
	ready := &system{Server: admin}
	ready.expect(t, c, "GET /readyz", "", 200, "")
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}

	for _, path := range []string{"/api/users/signup", "/api/users/signin"} {
		status, header, body := s.send(t, c, "POST", path, annSecret)
		if status != 503 || header.Get("Retry-After") == "" || header.Get("Set-Cookie") != "" {
			t.Errorf("%s = %d %v %s", path, status, header, body)
		}
	}
	s.expect(t, c, "GET /api/users/currentuser", "", 200, nobody)
	ready.expect(t, c, "GET /readyz", "", 503, "")
	if got := s.log.highest(); got != slog.LevelWarn {
		t.Errorf("logged at %v, want warn", got)
	}
}

// levels is a log that keeps the highest level only.
type levels struct {
	mu   sync.Mutex
	seen slog.Level
}

func (l *levels) Enabled(context.Context, slog.Level) bool { return true }
func (l *levels) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *levels) WithGroup(string) slog.Handler            { return l }

func (l *levels) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = max(l.seen, r.Level)
	return nil
}

func (l *levels) highest() slog.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen
}
