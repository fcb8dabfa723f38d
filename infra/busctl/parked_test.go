package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ticketing/infra/local"
	"ticketing/pkg/oncall"
)

// startSystem runs a whole system, at which busctl's variables point, and returns its gateway's address.
func startSystem(t *testing.T) (gateway string) {
	t.Helper()
	system, err := local.Start(t.Context(), local.Config{
		GatewayAddr: "127.0.0.1:0", AdminAddr: "127.0.0.1:0", NATSAddr: "127.0.0.1:0", MonitorAddr: "127.0.0.1:0",
		DataDir: t.TempDir(), SessionTTL: time.Hour, OrderWindow: time.Minute,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("NATS_URL", system.NATSURL())
	t.Setenv("BUSCTL_ADMIN", system.AdminURL()+"/orders")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- system.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return system.GatewayURL()
}

func mustCall(t *testing.T, args ...string) string {
	t.Helper()
	code, out, err := callWith(t, strings.NewReader(""), args...)
	if code != done {
		t.Fatalf("busctl %q ended with %d: %s", args, code, err)
	}
	return out
}

// until calls busctl again and again until its output has the text.
func until(t *testing.T, want string, args ...string) string {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		out := mustCall(t, args...)
		if strings.Contains(out, want) {
			return out
		}
		if time.Now().After(deadline) {
			t.Fatalf("busctl %q still says:\n%s", args, out)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestParkedAndGapsOfARunningSystem(t *testing.T) {
	startSystem(t)
	if out := mustCall(t, "parked"); out != "nothing is parked\n" {
		t.Errorf("at first: %q", out)
	}
	// given two events of poison and one that came early
	mustCall(t, "publish", "ticket:created", `{"title":"one"}`)
	mustCall(t, "publish", "ticket:created", `{"title":"two"}`)
	mustCall(t, "publish", "ticket:updated",
		`{"id":"65a1b2c3d4e5f60718293a4b","version":3,"title":"concert","price":10.05,"userId":"65a1b2c3d4e5f60718293a00"}`)
	until(t, `two`, "parked", "list", "--json")
	// then they are listed and shown
	table := until(t, "ticket:created  2 ", "parked", "list")
	if !strings.Contains(table, "poison") || !strings.Contains(table, "id: missing") || strings.Count(table, "\n") != 3 {
		t.Errorf("the table is\n%s", table)
	}
	var entries []oncall.Parked
	for line := range strings.Lines(mustCall(t, "parked", "list", "--json")) {
		var e oncall.Parked
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	if out := mustCall(t, "parked", "show", entries[0].ID); !strings.Contains(out, entries[0].Hash) {
		t.Errorf("show says %s", out)
	}
	// and retried, and dropped
	out := mustCall(t, "parked", "retry", "--all")
	if strings.Count(out, ": poison, still parked\n") != 2 {
		t.Errorf("retry --all says %s", out)
	}
	if out := mustCall(t, "parked", "drop", entries[0].ID, entries[1].ID); strings.Count(out, ": dropped\n") != 2 {
		t.Errorf("drop says %s", out)
	}
	if out := mustCall(t, "parked"); out != "nothing is parked\n" {
		t.Errorf("in the end: %q", out)
	}
	// and the entity that waits is named
	until(t, "ticket/65a1b2c3d4e5f60718293a4b", "gaps", "--older", "0s")
	if out := mustCall(t, "gaps"); out != "nothing has waited longer than 1m0s\n" {
		t.Errorf("gaps says %q", out)
	}
	if out := mustCall(t, "gaps", "--older", "0s", "--json"); !strings.Contains(out, `"waitsFor":0`) {
		t.Errorf("gaps --json says %s", out)
	}
	// and where nothing will ever come, what waits is dropped
	if out := mustCall(t, "gaps", "drop", "ticket/65a1b2c3d4e5f60718293a4b"); out != "ticket/65a1b2c3d4e5f60718293a4b: what waited is dropped\n" {
		t.Errorf("gaps drop says %q", out)
	}
	if out := mustCall(t, "gaps", "--older", "0s"); out != "nothing has waited longer than 0s\n" {
		t.Errorf("after that gaps says %q", out)
	}
	if code, _, stderr := callWith(t, strings.NewReader(""), "gaps", "drop", "ticket/65a1b2c3d4e5f60718293a4b"); code != failed || !strings.Contains(stderr, "404") {
		t.Errorf("once more: exit code %d, %s", code, stderr)
	}
}

func TestParkedReadsEveryPage(t *testing.T) {
	const pages = 3
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		after := r.URL.Query().Get("after")
		if len(after) < pages-1 {
			w.Header().Set("Link", fmt.Sprintf(`</parked?after=%sx&limit=1>; rel="next"`, after))
		}
		fmt.Fprintf(w, `[{"id":"page-%d"}]`, len(after))
	}))
	t.Cleanup(server.Close)
	out := mustCall(t, "parked", "list", "--admin", server.URL)
	for page := range pages {
		if !strings.Contains(out, fmt.Sprint("page-", page)) {
			t.Errorf("page %d is missing:\n%s", page, out)
		}
	}
}

func TestAnAdminListenerThatDoesNotAnswer(t *testing.T) {
	tests := []struct {
		name   string
		handle http.HandlerFunc
		want   []string
	}{
		{"a refusal", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, `{"title":"Service Unavailable","status":503,"detail":"the store is away"}`)
		}, []string{"answers 503 Service Unavailable: the store is away"}},
		{"something else", http.NotFound, []string{"answers 404"}},
		{"no JSON", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, []string{"read the answer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.handle)
			t.Cleanup(server.Close)
			code, _, err := callWith(t, strings.NewReader(""), "parked", "--admin", server.URL)
			if code != failed {
				t.Errorf("exit code %d, want %d", code, failed)
			}
			oneLine(t, err, tt.want...)
		})
	}
	t.Run("nothing", func(t *testing.T) {
		code, _, err := callWith(t, strings.NewReader(""), "gaps", "--admin", "http://127.0.0.1:1")
		if code != failed {
			t.Errorf("exit code %d, want %d", code, failed)
		}
		oneLine(t, err, "nothing answers at http://127.0.0.1:1", "make run", "port-forward")
	})
}
