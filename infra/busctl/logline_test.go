package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/telemetry"
)

// cutLogLine takes lag's last line, the one about the log, from its table.
func cutLogLine(out string) (table, line string) {
	i := strings.LastIndex(out, "log: ")
	if i < 0 {
		return out, ""
	}
	return out[:i], out[i:]
}

func TestLogLineGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 12, 12, 0, 0, 0, time.UTC)
	size := telemetry.LogSize{At: now, Bytes: 512 << 20}
	tenDays := now.AddDate(0, 0, -10)
	var lines strings.Builder
	for _, line := range []string{
		logLine(size, tenDays, nil, 0),
		logLine(size, tenDays, nil, 2<<30),
		logLine(size, tenDays, nil, 256<<20),
		logLine(telemetry.LogSize{At: now, Bytes: 380}, now.Add(-time.Minute), nil, 2<<30),
		logLine(telemetry.LogSize{At: now}, time.Time{}, nil, 2<<30),
		logLine(size, time.Time{}, errRemoved, 2<<30),
		logLine(size, time.Time{}, errors.Join(errRemoved, errRemoved), 0),
	} {
		lines.WriteString(line)
	}
	golden(t, "log.txt", lines.String())
}

func TestLagAsksForTheOldestEventOfAllChannels(t *testing.T) {
	t.Parallel()
	// Given an oldest event that is neither the first channel's nor alone in its own.
	server := stantest.Start(t)
	begun := time.Now()
	mustPublish(t, server, "ticket:created", "1")
	oldestIsIn := time.Now()
	for _, subject := range []string{"order:created", "ticket:created", "ticket:updated"} {
		mustPublish(t, server, subject, "1")
	}
	channels := []bus.Channel{
		{Name: "expiration:complete"}, // was only listened to
		{Name: "order:created", Messages: 1, FirstSeq: 1, LastSeq: 1},
		{Name: "ticket:created", Messages: 2, FirstSeq: 1, LastSeq: 2},
		{Name: "ticket:updated", Messages: 1, FirstSeq: 1, LastSeq: 1},
	}
	b := broker{URL: server.URL(), Cluster: stantest.ClusterID, Wait: patience}
	oldest, err := b.oldestEvent(t.Context(), channels)
	if err != nil || oldest.Before(begun) || oldest.After(oldestIsIn) {
		t.Errorf("the oldest event is of %v, %v, want between %v and %v", oldest, err, begun, oldestIsIn)
	}
	// And the command tells it.
	code, out, text := call(t, server, "", "lag", "--volume", "1Gi")
	_, line := cutLogLine(out)
	want := " bytes of 1.0 GiB; too young to tell growth: since " + oldest.UTC().Format(time.RFC3339) + ", the oldest event\n"
	if code != done || text != "" || !strings.HasSuffix(line, want) {
		t.Errorf("lag ended with %d, stderr %q, last line %q, want %q", code, text, line, want)
	}

	// Without its first event a log is older than can be known.
	channels[2].FirstSeq = 2
	if _, err := b.oldestEvent(t.Context(), channels); !errors.Is(err, errRemoved) {
		t.Errorf("with an event removed: %v", err)
	}
	if oldest, err := b.oldestEvent(t.Context(), channels[:1]); err != nil || !oldest.IsZero() {
		t.Errorf("without an event: %v, %v", oldest, err)
	}
}

func TestLagWhereOnlyTheMonitoringAnswers(t *testing.T) {
	t.Parallel()
	// Given a broker whose port for clients cannot be reached.
	server, gone := stantest.Start(t), stantest.Start(t)
	mustPublish(t, server, "ticket:created", "1")
	gone.Shutdown()

	// Then what the monitoring knows is shown, and why the rest is not.
	code, out, err := callWith(t, strings.NewReader(""), "lag", "--url", gone.URL(), "--monitor", server.MonitorURL(), "--wait", "2s")
	table, line := cutLogLine(out)
	if code != done || err != "" || !strings.Contains(table, "ticket:created") ||
		!strings.Contains(line, "bytes; growth unknown: no broker within 2s: ") || strings.Count(line, "\n") != 1 {
		t.Errorf("lag ended with %d, stderr %q, stdout:\n%s", code, err, out)
	}
}
