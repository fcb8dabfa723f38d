package httpapi_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/httpapi"
)

// patience is how long an awaited event may take on a slow machine.
const patience = 60 * time.Second

// running is a server under test.
type running struct {
	addr   string
	stop   context.CancelFunc
	result chan error
	log    *lockedBuffer
}

func start(t *testing.T, h http.Handler) *running {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &running{addr: ln.Addr().String(), stop: stop, result: make(chan error, 1), log: &lockedBuffer{}}
	log := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	go func() { s.result <- httpapi.Serve(ctx, ln, h, log) }()
	t.Cleanup(stop)
	return s
}

// ended awaits the end of the server.
func (s *running) ended(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.result:
		return err
	case <-time.After(patience):
		t.Fatal("the server does not end")
		return nil
	}
}

func (s *running) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestServeDrainsRunningRequests(t *testing.T) {
	t.Parallel()
	// Given a request that is being answered
	entered, release := make(chan struct{}), make(chan struct{})
	s := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		if err := r.Context().Err(); err != nil {
			t.Errorf("the end of the server canceled the request: %v", err)
		}
		_, _ = io.WriteString(w, "whole")
	}))
	conn := s.dial(t)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered

	// When the server is told to end
	s.stop()
	awaitRefusal(t, s.addr)
	close(release)

	// Then the request is answered first
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if string(body) != "whole" || err != nil {
		t.Errorf("body = %q, %v", body, err)
	}
	if err := s.ended(t); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

// awaitRefusal waits until no new connection is taken.
func awaitRefusal(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		_ = conn.Close()
	}
	t.Fatal("the server still takes connections")
}

func TestServeCutsOffWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	// Given a request that ends only when it is canceled
	entered, canceled := make(chan struct{}), make(chan struct{})
	s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(canceled)
	}))
	_, _ = io.WriteString(s.dial(t), "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-entered

	// When the server ends, then so does the request
	s.stop()
	if err := s.ended(t); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	<-canceled
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	err = httpapi.Serve(context.Background(), ln, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), ln.Addr().String()) {
		t.Errorf("Serve = %v, want one that names %s", err, ln.Addr())
	}
}

func TestGarbageIsLoggedAtDebug(t *testing.T) {
	api, _ := newAPI()
	s := start(t, api)
	for _, garbage := range []string{
		"\x16\x03\x01\x02\x00\x01\x00", // a TLS client
		"GET\r\n\r\n",
		"GET /api/tickets HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
		"GET /api/tickets HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n",
		"GET /api/tickets/%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /api/tickets HTTP/1.1\r\n\r\n", // no Host
	} {
		conn := s.dial(t)
		_, _ = io.WriteString(conn, garbage+"\r\n\r\n")
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%.20q: %v", garbage, err)
			continue
		}
		if answer.StatusCode != 400 && answer.StatusCode != 431 {
			t.Errorf("%.20q: status %d, want 400 or 431", garbage, answer.StatusCode)
		}
		_ = conn.Close()
	}
	s.stop()
	if err := s.ended(t); err != nil {
		t.Errorf("Serve = %v", err)
	}
	for line := range strings.Lines(s.log.String()) {
		if !strings.Contains(line, `"level":"DEBUG"`) {
			t.Errorf("garbage logged %s", line)
		}
	}
}

func TestServeBearsManyIdleConnections(t *testing.T) {
	t.Parallel()
	// Given 5,000 clients that have connected and say nothing. Their ends and the server's are
	// file descriptors of this one process.
	const idle = 5000
	api, _ := newAPI()
	s := start(t, api)
	for range idle {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}

	// When another one asks, then it is answered
	client := &http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	answer, err := client.Get("http://" + s.addr + "/api/tickets")
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != 200 {
		t.Errorf("status = %d, want 200", answer.StatusCode)
	}

	// And the idle ones do not keep the server from ending
	s.stop()
	if err := s.ended(t); err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// An answer that goes on for long learns that its server begins to end, and need not be cut off.
func TestALongAnswerLearnsOfTheEnd(t *testing.T) {
	if httpapi.Ending(t.Context()) != nil {
		t.Error("outside of a server something ends")
	}
	begun := make(chan struct{})
	s := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-httpapi.Ending(r.Context())
		if r.Context().Err() != nil {
			t.Error("it was cut off")
		}
	}))
	conn := s.dial(t)
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-begun
	s.stop()
	if err := s.ended(t); err != nil {
		t.Error(err)
	}
}
