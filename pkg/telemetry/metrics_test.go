package telemetry_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/telemetry"
)

// scrape returns the metrics of this project that m shows, one per line.
func scrape(m telemetry.Metrics) []string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	var lines []string
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "ticketing_") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

// counted is the replicas of a service. If away, its store cannot be read.
type counted struct{ away bool }

func (counted) Handled() map[string]map[string]uint64 {
	return map[string]map[string]uint64{"ticket": {"apply": 5, "stale": 1}}
}

func (c counted) Lost(context.Context) map[string]uint64 {
	if c.away {
		return nil
	}
	return map[string]uint64{"ticket": 2}
}

func (c counted) CountGaps(_ context.Context, age time.Duration, limit int) (int, error) {
	return c.count(age == time.Minute && limit == 1000, 3)
}

func (c counted) CountParked(_ context.Context, limit int) (int, error) {
	return c.count(limit == 1000, 4)
}

func (c counted) count(asked bool, n int) (int, error) {
	if c.away || !asked {
		return 0, errors.New("the store is away")
	}
	return n, nil
}

func TestMetricsShowWhatAServiceHas(t *testing.T) {
	broker := membus.New(t)
	conn := broker.Connect("watcher")
	for range 3 {
		if err := conn.Publish(t.Context(), "ticket:created", []byte("12")); err != nil {
			t.Fatal(err)
		}
	}
	handled := make(chan bus.Settle, 3)
	keep := func(_ context.Context, _ bus.Message, settle bus.Settle) { handled <- settle }
	for _, group := range []string{"ours", "another"} {
		_, err := conn.Subscribe(t.Context(), bus.Subscription{Channel: "ticket:created", Group: group, Durable: group, MaxInflight: 1}, keep)
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		defer (<-handled)(nil)
	}
	connected := []string{
		"ticketing_bus_connected 1",
		"ticketing_bus_reconnects 0",
		"ticketing_bus_redelivered_total 0",
		`ticketing_channel_bytes{channel="ticket:created"} 6`,
		`ticketing_channel_events{channel="ticket:created"} 3`,
	}
	replicas := []string{
		`ticketing_events_total{kind="ticket",verdict="apply"} 5`,
		`ticketing_events_total{kind="ticket",verdict="stale"} 1`,
	}
	outbox := func() (waiting, failures int) { return 7, 2 }
	for _, tt := range []struct {
		name  string
		given telemetry.Metrics
		want  []string
	}{
		{"nothing", telemetry.Metrics{}, nil},
		{"an outbox", telemetry.Metrics{Outbox: outbox}, []string{"ticketing_outbox_failures 2", "ticketing_outbox_waiting 7"}},
		{"a bus", telemetry.Metrics{Bus: conn}, connected},
		{"a bus and a group", telemetry.Metrics{Bus: conn, Group: "ours"}, append(connected,
			`ticketing_lag_events{channel="ticket:created",group="ours"} 3`,
			`ticketing_lost_events{channel="ticket:created",group="ours"} 0`)},
		{"a bus that is away", telemetry.Metrics{Bus: blind{}}, []string{
			"ticketing_bus_connected 0", "ticketing_bus_reconnects 0", "ticketing_bus_redelivered_total 0",
		}},
		{"replicas", telemetry.Metrics{Replicas: counted{}}, append(replicas, "ticketing_gaps 3",
			`ticketing_lost_unmended_events{kind="ticket"} 2`, "ticketing_parked_events 4")},
		{"replicas that cannot be read", telemetry.Metrics{Replicas: counted{away: true}}, replicas},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, scrape(tt.given)); diff != "" {
				t.Errorf("metrics (-want +got):\n%s", diff)
			}
		})
	}
}
