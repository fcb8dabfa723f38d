package apptest

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ticketing/pkg/bus/stan/stanserver"
)

// OffBus is an environment with which a service starts: a store of the test's own, and a broker that is away.
func OffBus(t testing.TB, key string) []string {
	t.Helper()
	return []string{
		"JWT_KEY=" + key, "BOLT_FILE=" + filepath.Join(t.TempDir(), "service.db"), "NATS_CLIENT_ID=service",
		"NATS_URL=nats://" + NobodyAt(t), "NATS_MONITOR_URL=http://" + NobodyAt(t),
	}
}

// OnBus is an environment with this broker.
func OnBus(env []string, broker *stanserver.Server) []string {
	return Environ(env, "NATS_URL="+broker.URL(), "NATS_MONITOR_URL="+broker.MonitorURL())
}

// Environ is an environment with changes: "NAME=value" sets a variable, "NAME" takes it away.
func Environ(env []string, changes ...string) []string {
	changed := slices.Clone(env)
	for _, change := range changes {
		name, _, set := strings.Cut(change, "=")
		changed = slices.DeleteFunc(changed, func(v string) bool { return strings.HasPrefix(v, name+"=") })
		if set {
			changed = append(changed, change)
		}
	}
	return changed
}

// NobodyAt returns an address at which nobody answers.
func NobodyAt(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
