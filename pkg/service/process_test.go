package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/app"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// patience is how long an awaited thing may take on a slow, noisy machine.
const patience = time.Minute

// story is what happened, in order.
type story struct {
	mu     sync.Mutex
	events []string
}

func (s *story) add(event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, event)
}

func (s *story) read() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// demo is a service that tells its story. GET / is answered at once, GET /slow when release is closed.
type demo struct {
	story
	entered chan struct{} // closed when /slow is being answered
	release chan struct{}
	fail    chan error // what makes the background work end by itself
}

func newDemo() *demo {
	return &demo{entered: make(chan struct{}), release: make(chan struct{}), fail: make(chan error, 1)}
}

// build is a service.Build.
func (d *demo) build(_ context.Context, s *service.Service, _ struct{}) error {
	s.Routes(d.routes())
	s.AdminRoutes(func(admin chi.Router) {
		admin.Get("/parked", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "none") })
	})
	s.Background(d.work)
	return nil
}

func (d *demo) routes() http.Handler {
	r := chi.NewRouter()
	r.Get("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") })
	r.Get("/slow", func(w http.ResponseWriter, r *http.Request) {
		close(d.entered)
		<-d.release
		d.add(fmt.Sprint("answered, context: ", r.Context().Err()))
		_, _ = io.WriteString(w, "whole")
	})
	return r
}

func (d *demo) work(ctx context.Context) error {
	select {
	case <-ctx.Done():
		d.add("background told to finish")
		return nil
	case err := <-d.fail:
		return err
	}
}

// pinged is a store that can be unwell.
type pinged struct {
	store.Database
	unwell atomic.Bool
}

func (p *pinged) Ping(context.Context) error {
	if p.unwell.Load() {
		return errors.New("unwell")
	}
	return nil
}

// process is Serve in the background of a test.
type process struct {
	http, admin string
	stop        context.CancelFunc
	ended       chan error
	store       *pinged
	log         *lines
}

func serve(t *testing.T, build service.Build[struct{}]) *process {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	p := &process{stop: stop, ended: make(chan error, 1), store: &pinged{}, log: &lines{listening: make(chan [2]string, 1)}}
	cfg := app.ListenConfig{HTTPAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0"}
	deps := service.Deps{Name: "demo", Store: p.store, Log: slog.New(p.log)}
	go func() { p.ended <- service.Serve(ctx, cfg, deps, build, struct{}{}) }()
	t.Cleanup(stop)
	select {
	case addrs := <-p.log.listening:
		p.http, p.admin = addrs[0], addrs[1]
	case err := <-p.ended:
		t.Fatalf("Serve = %v before it listened", err)
	}
	return p
}

// end awaits the end.
func (p *process) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-p.ended:
		return err
	case <-time.After(patience):
		t.Fatal("Serve does not return")
		return nil
	}
}

// get asks one of the listeners.
func get(addr, path string) (status int, body string, err error) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + addr + path)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(content), err
}

// await asks until the answer is this one.
func await(t *testing.T, addr, path string, status int, words string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		got, body, err := get(addr, path)
		if err == nil && got == status && strings.Contains(body, words) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s = %d %s, %v, want %d %s", path, got, body, err, status, words)
		}
	}
}

// lines is a log that tells the addresses and keeps the rest.
type lines struct {
	story
	listening chan [2]string
}

func (l *lines) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (l *lines) WithAttrs([]slog.Attr) slog.Handler               { return l }
func (l *lines) WithGroup(string) slog.Handler                    { return l }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	attrs := map[string]string{}
	r.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		return true
	})
	if r.Message == "listening" {
		l.listening <- [2]string{attrs["http"], attrs["admin"]}
		return nil
	}
	l.add(fmt.Sprintf("%s %s: %s", r.Level, r.Message, attrs["error"]))
	return nil
}

// awaitRefusal waits until an address takes no connection.
func awaitRefusal(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Fatalf("%s still takes connections", addr)
}

// checkClosed finds that both listeners are closed, now: they are when Serve has returned.
func (p *process) checkClosed(t *testing.T) {
	t.Helper()
	for _, addr := range []string{p.http, p.admin} {
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			t.Errorf("%s still takes connections", addr)
		}
	}
}
