package apptest

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// CheckRefusals starts a service with one thing wrong at a time. Each must end it with exit code 1 and one
// line that begins with its name and tells the variable. good is an environment with which it starts; of
// BOLT_FILE, JWT_KEY and what app's configurations read, nothing else may be needed. An environment without JWT_KEY is that
// of a service without sessions.
func CheckRefusals(t *testing.T, name string, good []string) {
	t.Helper()
	taken := listen(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	sessions := slices.ContainsFunc(good, func(v string) bool { return strings.HasPrefix(v, "JWT_KEY=") })
	for _, tt := range []struct {
		name string
		env  []string // "NAME" alone takes a variable away
		want string
	}{
		{"no key", []string{"JWT_KEY"}, "JWT_KEY"},
		{"an empty key", []string{"JWT_KEY="}, "JWT_KEY"},
		{"a key of 31 bytes", []string{"JWT_KEY=" + strings.Repeat("k", 31)}, "JWT_KEY"},
		{"a session that never lives", []string{"SESSION_TTL=0s"}, "SESSION_TTL"},
		{"a session of no duration", []string{"SESSION_TTL=week"}, "SESSION_TTL"},
		{"a cookie that can have no such name", []string{"SESSION_COOKIE=a session"}, "SESSION_COOKIE"},
		{"no store", []string{"BOLT_FILE"}, "BOLT_FILE"},
		{"both stores", []string{"MONGO_URI=mongodb://127.0.0.1:27017"}, "MONGO_URI and BOLT_FILE"},
		{"a store that is none", []string{"BOLT_FILE", "MONGO_URI=redis://127.0.0.1"}, "MONGO_URI"},
		{"a file that is no database", []string{"BOLT_FILE=" + file}, "BOLT_FILE"},
		{"a file that cannot be", []string{"BOLT_FILE=" + filepath.Join(file, "x.db")}, "BOLT_FILE"},
		{"a port that is taken", []string{"HTTP_ADDR=" + taken}, "HTTP_ADDR: listen tcp " + taken},
		{"an admin port that is taken", []string{"ADMIN_ADDR=" + taken}, "ADMIN_ADDR: listen tcp " + taken},
		{"an address without a port", []string{"HTTP_ADDR=127.0.0.1"}, "HTTP_ADDR"},
		{"a log level that is none", []string{"LOG_LEVEL=loud"}, "LOG_LEVEL"},
	} {
		if !sessions && (tt.want == "JWT_KEY" || strings.HasPrefix(tt.want, "SESSION_")) {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			got := Refusal(t, Environ(good, tt.env...)...)
			if !strings.HasPrefix(got, name+": ") || !strings.Contains(got, tt.want) {
				t.Errorf("it said %q, want a line of %s with %q", got, name, tt.want)
			}
			if strings.Contains(got, "kkkk") {
				t.Errorf("it told its key: %q", got)
			}
		})
	}
}

// listen takes an address for as long as the test runs.
func listen(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().String()
}

// CheckBusRefusals is CheckRefusals for what a service on the bus needs besides.
func CheckBusRefusals(t *testing.T, name string, good []string) {
	t.Helper()
	for _, tt := range []struct{ name, env, want string }{
		{"no client id", "NATS_CLIENT_ID", "NATS_CLIENT_ID"},
		{"a client id with a dot", "NATS_CLIENT_ID=orders.1", "NATS_CLIENT_ID"},
		{"a cluster id with a blank", "NATS_CLUSTER_ID=ticket ing", "NATS_CLUSTER_ID"},
		{"a URL of another scheme", "NATS_URL=http://127.0.0.1:4222", "NATS_URL"},
		{"a URL without a host", "NATS_URL=nats://", "NATS_URL"},
		{"a monitoring URL of another scheme", "NATS_MONITOR_URL=nats://127.0.0.1:8222", "NATS_MONITOR_URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Refusal(t, Environ(good, tt.env)...)
			if !strings.HasPrefix(got, name+": ") || !strings.Contains(got, tt.want) {
				t.Errorf("it said %q, want a line of %s with %q", got, name, tt.want)
			}
		})
	}
}

// CheckWaitsForStore starts a service whose MongoDB server is away. It must wait for it, say so on /readyz,
// and still end on a signal.
func CheckWaitsForStore(t *testing.T, good []string) {
	t.Helper()
	p := Start(t, Environ(good, "BOLT_FILE", "MONGO_URI=mongodb://"+NobodyAt(t))...)
	p.AwaitUnready(t, "store unavailable")
	p.Signal(t, syscall.SIGTERM)
	p.AwaitEnd(t)
}
