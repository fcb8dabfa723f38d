package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/bus/stan/stantest"
)

var update = flag.Bool("update", false, "write the golden files")

func TestLagGolden(t *testing.T) {
	t.Parallel()
	channels := []bus.Channel{
		{Name: "expiration:complete", Messages: 3, Bytes: 300, FirstSeq: 1, LastSeq: 3},
		{Name: "ticket:created", Messages: 2000, Bytes: 400_000, FirstSeq: 1, LastSeq: 2000, Durables: []bus.Durable{
			{Name: "orders-service", Group: "orders-service", LastSent: 1990, Pending: 5, Members: 2},
			{Name: "shelf", Group: "readers", LastSent: 2000},
		}},
		{Name: "ticket:updated", Messages: 100, Bytes: 20_000, FirstSeq: 901, LastSeq: 1000, Durables: []bus.Durable{
			{Name: "orders-service", Group: "orders-service", LastSent: 800, Pending: 64, Members: 1},
		}},
	}
	golden(t, "lag.txt", lagTable(channels))
	line, err := lagJSON(channels)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "lag.json", line)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestLagOfAnEmptyBroker(t *testing.T) {
	t.Parallel()
	server := stantest.Start(t)
	code, out, err := call(t, server, "", "lag")
	if code != done || err != "" || !strings.HasPrefix(out, "no channels") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out, err)
	}
	code, out, err = call(t, server, "", "lag", "--json")
	if code != done || err != "" || out != "[]\n" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, out, err)
	}
}

func TestLagOfARunningBroker(t *testing.T) {
	t.Parallel()
	// Given a channel that keeps 4 of its events, a group that saw the first and left, and one that holds
	// 2 of the last 4 and acks none.
	server := startServer(t, stanserver.Config{ClusterID: stantest.ClusterID, MaxMessages: 4})
	mustPublish(t, server, "ticket:created", "1")
	gone := start(t, server, "listen", "ticket:created", "--group", "gone")
	gone.out.await(t, `\n`)
	if code := gone.interrupt(); code != done {
		t.Fatalf("exit code %d: %s", code, gone.err)
	}
	for range 6 {
		mustPublish(t, server, "ticket:created", "more")
	}
	slow := start(t, server, "listen", "ticket:created", "--group", "slow", "--no-ack",
		"--max-inflight", "2", "--ack-wait", "10m")
	slow.out.await(t, `\n.*\n`)

	// When somebody asks, then: gone has 6 to go of which 2 are lost; slow has all 4 to go, none lost
	// that it could have had.
	code, out, err := call(t, server, "", "lag")
	want := "" +
		"CHANNEL         GROUP  DURABLE  MEMBERS  LAG  LOST  FIRST  LAST\n" +
		"ticket:created  gone   gone     0        6    2     4      7\n" +
		"ticket:created  slow   slow     1        4    0     4      7\n"
	table, line := cutLogLine(out)
	if !regexp.MustCompile(`^log: \d+ bytes; growth unknown: limits have removed the oldest events\n$`).MatchString(line) {
		t.Errorf("the last line is %q", line)
	}
	if diff := cmp.Diff(want, table); diff != "" || code != done {
		t.Errorf("lag ended with %d (%s), (-want +got):\n%s", code, err, diff)
	}
	code, out, err = call(t, server, "", "lag", "--json")
	if code != done {
		t.Fatalf("exit code %d: %s", code, err)
	}
	var got []channelJSON
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	wantDurables := []durableJSON{
		{Group: "gone", Durable: "gone", LastSent: 1, Lag: 6, Lost: 2},
		{Group: "slow", Durable: "slow", Members: 1, LastSent: 5, Pending: 2, Lag: 4},
	}
	if diff := cmp.Diff(wantDurables, got[0].Durables); diff != "" {
		t.Errorf("durables (-want +got):\n%s", diff)
	}
}

func TestLagWatchOutlivesTheBroker(t *testing.T) {
	t.Parallel()
	cfg := stanserver.Config{ClusterID: stantest.ClusterID, Dir: t.TempDir()}
	server := startServer(t, cfg)
	mustPublish(t, server, "ticket:created", "1")
	watch := start(t, server, "lag", "--watch", "--json", "--interval", "20ms")
	watch.out.await(t, `(\[.*"lastSequence":1.*\]\n){2}`)

	// When the broker is restarted, it says so and goes on.
	cfg.Port, cfg.MonitorPort = port(t, server.URL()), port(t, server.MonitorURL())
	server.Shutdown()
	watch.err.await(t, `(?m)^busctl: the broker's monitoring does not answer at `+quote(server.MonitorURL()))
	server = startServer(t, cfg)
	mustPublish(t, server, "ticket:created", "2")
	watch.out.await(t, `"lastSequence":2`)
	if code := watch.interrupt(); code != done {
		t.Errorf("exit code %d", code)
	}
}
