package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ticketing/pkg/bus/stan/stanserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come.
const patience = 60 * time.Second

// screen is what a command has written so far.
type screen struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func newScreen() *screen { return &screen{changed: make(chan struct{})} }

func (s *screen) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
	return s.text.Write(data)
}

func (s *screen) read() (text string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String(), s.changed
}

func (s *screen) String() string {
	text, _ := s.read()
	return text
}

func (s *screen) lines() []string {
	return strings.Split(strings.TrimSuffix(s.String(), "\n"), "\n")
}

// await waits until pattern is on the screen.
func (s *screen) await(t *testing.T, pattern string) {
	t.Helper()
	want := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		text, changed := s.read()
		if want.MatchString(text) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("never saw %q on the screen:\n%s", pattern, text)
		}
	}
}

// startServer starts a broker that ends with the test.
func startServer(t *testing.T, cfg stanserver.Config) *stanserver.Server {
	t.Helper()
	server, err := stanserver.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	return server
}

// port is the port of a URL.
func port(t *testing.T, address string) int {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	_, digits, err := net.SplitHostPort(u.Host)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// session is a command that runs.
type session struct {
	out  *screen
	err  *screen
	stop context.CancelFunc // what Ctrl-C does
	code chan int
}

// start begins a command against server; it is over when the test is.
func start(t *testing.T, server *stanserver.Server, args ...string) *session {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	s := &session{out: newScreen(), err: newScreen(), stop: stop, code: make(chan int, 1)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.code <- run(ctx, against(server, args), terminal{in: strings.NewReader(""), out: s.out, err: s.err})
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	return s
}

// interrupt ends the command as Ctrl-C does and returns its exit code.
func (s *session) interrupt() int {
	s.stop()
	return <-s.code
}

// call runs a command to its end.
func call(t *testing.T, server *stanserver.Server, stdin string, args ...string) (code int, out, err string) {
	t.Helper()
	return callWith(t, strings.NewReader(stdin), against(server, args)...)
}

func callWith(t *testing.T, stdin io.Reader, args ...string) (code int, out, err string) {
	t.Helper()
	outScreen, errScreen := newScreen(), newScreen()
	code = run(t.Context(), args, terminal{in: stdin, out: outScreen, err: errScreen})
	return code, outScreen.String(), errScreen.String()
}

// mustPublish puts an event on the bus.
func mustPublish(t *testing.T, server *stanserver.Server, subject, data string) {
	t.Helper()
	if code, _, err := call(t, server, data, "publish", subject, "-"); code != done {
		t.Fatalf("publish ended with %d: %s", code, err)
	}
}

// against puts the addresses of server behind the arguments.
func against(server *stanserver.Server, args []string) []string {
	return append(append([]string{}, args...),
		"--url", server.URL(), "--monitor", server.MonitorURL(), "--wait", patience.String())
}

// oneLine checks that text is a single line that says want.
func oneLine(t *testing.T, text string, want ...string) {
	t.Helper()
	if strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "busctl: ") {
		t.Errorf("want one line of busctl, got:\n%s", text)
	}
	for _, part := range want {
		if !strings.Contains(text, part) {
			t.Errorf("the line lacks %q: %s", part, text)
		}
	}
}
