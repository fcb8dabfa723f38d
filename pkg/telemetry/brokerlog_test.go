package telemetry_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/telemetry"
)

// clock is moved by hand.
type clock struct{ since atomic.Int64 }

func (c *clock) now() time.Time        { return time.Unix(1767355200, 0).Add(time.Duration(c.since.Load())) }
func (c *clock) move(by time.Duration) { c.since.Add(int64(by)) }

// get is what a GET of path shows of the log.
func get(log *telemetry.BrokerLog, path string) (status int, body string) {
	admin := httpapi.Admin(log.Checks()...)
	admin.Handle("/metrics", telemetry.Metrics{Log: log}.Handler())
	w := httptest.NewRecorder()
	admin.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost"+path, nil))
	return w.Code, w.Body.String()
}

// value is the line of that gauge, empty if there is none.
func value(body, gauge string) string {
	for line := range strings.Lines(body) {
		if strings.HasPrefix(line, "ticketing_"+gauge+" ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// logSize is what the broker says of its log.
func logSize(t *testing.T, books bus.Inspector) uint64 {
	t.Helper()
	channels, err := books.Channels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return uint64(telemetry.SizeOf(channels, time.Time{}).Bytes)
}

func TestTheBrokersLogIsInMetricsAndHealthBeforeTheVolumeIsFull(t *testing.T) {
	conn := stantest.Connect(t, stantest.Start(t), "watcher")
	publish := func() {
		t.Helper()
		if err := conn.Publish(t.Context(), "ticket:created", make([]byte, 100_000)); err != nil {
			t.Fatal(err)
		}
	}
	// given a log of one event, on a volume for 10 of them
	publish()
	var c clock
	log := telemetry.NewBrokerLog(conn, telemetry.Volume{Size: 1_000_000}, c.now)
	// when it is looked at for the first time, then its size is there, and nothing that cannot be known yet
	status, body := get(log, "/readyz")
	if status != 200 || strings.Contains(body, "degraded") || !strings.Contains(body, `"broker log","ready":true`) {
		t.Errorf("/readyz answers %d %s", status, body)
	}
	_, body = get(log, "/metrics")
	if value(body, "broker_log_bytes") == "" || value(body, "broker_volume_bytes") != "ticketing_broker_volume_bytes 1e+06" {
		t.Errorf("/metrics lacks the sizes:\n%s", body)
	}
	if value(body, "broker_log_growth_bytes_per_day") != "" || value(body, "broker_log_days_left") != "" {
		t.Errorf("/metrics tells growth after one look:\n%s", body)
	}

	// when another event comes, then the size stays what it was until the minute is over
	before := logSize(t, conn)
	publish()
	if growth, err := log.Look(t.Context()); err != nil || uint64(growth.To.Bytes) != before {
		t.Errorf("it is looked at again at once: %v, %v", growth, err)
	}
	// and after a day it is 80 % of a volume that has 8 days left: no reason to worry
	c.move(24 * time.Hour)
	if status, body := get(log, "/readyz"); status != 200 || strings.Contains(body, "degraded") {
		t.Errorf("/readyz answers %d %s", status, body)
	}
	if _, body = get(log, "/metrics"); !strings.HasPrefix(value(body, "broker_log_days_left"), "ticketing_broker_log_days_left 7.9") ||
		!strings.HasPrefix(value(body, "broker_log_growth_bytes_per_day"), "ticketing_broker_log_growth_bytes_per_day 100") {
		t.Errorf("/metrics tells %q", body)
	}

	// when two come on the next day, then 3 days are left: degraded, and still in service
	publish()
	publish()
	c.move(24 * time.Hour)
	status, body = get(log, "/readyz")
	for _, want := range []string{`"ready":true,"degraded":true`, "390.8 KiB of 976.6 KiB", "full in 3.0 days", "When the broker's log grows"} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("/readyz lacks %q: %d %s", want, status, body)
		}
	}
}

func TestTheBrokersLogIsLookedAtWhenTheClockWasSetBack(t *testing.T) {
	conn := stantest.Connect(t, stantest.Start(t), "watcher")
	var c clock
	log := telemetry.NewBrokerLog(conn, telemetry.Volume{}, c.now)
	// given a log that was looked at
	if _, err := log.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, jump := range []time.Duration{-time.Second, -time.Hour, 24 * time.Hour, -365 * 24 * time.Hour} {
		// when something comes and the clock is set
		if err := conn.Publish(t.Context(), "ticket:created", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		c.move(jump)
		// then it is looked at again
		if growth, err := log.Look(t.Context()); err != nil || uint64(growth.To.Bytes) != logSize(t, conn) {
			t.Errorf("clock set by %v: %v, %v", jump, growth, err)
		}
		// and not once more within the minute, which is a minute of the clock as it stands
		if err := conn.Publish(t.Context(), "ticket:created", []byte("{}")); err != nil {
			t.Fatal(err)
		}
		c.move(time.Minute - 1)
		if growth, err := log.Look(t.Context()); err != nil || uint64(growth.To.Bytes) == logSize(t, conn) {
			t.Errorf("clock set by %v, looked at within a minute: %v, %v", jump, growth, err)
		}
		c.move(1)
		if growth, err := log.Look(t.Context()); err != nil || uint64(growth.To.Bytes) != logSize(t, conn) {
			t.Errorf("clock set by %v, a minute later: %v, %v", jump, growth, err)
		}
	}
}

func TestTheBrokersLogWithoutTheVolumesSize(t *testing.T) {
	conn := stantest.Connect(t, stantest.Start(t), "watcher")
	var c clock
	log := telemetry.NewBrokerLog(conn, telemetry.Volume{}, c.now)
	get(log, "/metrics")
	if err := conn.Publish(t.Context(), "ticket:created", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	c.move(time.Hour)
	_, body := get(log, "/metrics")
	if value(body, "broker_log_bytes") == "" || value(body, "broker_log_growth_bytes_per_day") == "" {
		t.Errorf("/metrics lacks size or growth:\n%s", body)
	}
	if strings.Contains(body, "broker_volume_bytes") || strings.Contains(body, "broker_log_days_left") || len(log.Checks()) != 0 {
		t.Errorf("something is said about a volume:\n%s", body)
	}
}

// blind is a broker whose monitoring does not answer.
type blind struct {
	bus.Inspector // nil: a call of another method is a mistake
	connected     bool
}

func (b blind) Channels(context.Context) ([]bus.Channel, error) { return nil, bus.ErrUnavailable }

func (b blind) Health() bus.Health { return bus.Health{Connected: b.connected, Reason: "away"} }

func TestTheBrokersLogThatCannotBeLookedAt(t *testing.T) {
	for _, tt := range []struct {
		name      string
		connected bool
		want      string
	}{
		{"monitoring away", true, `"degraded":true,"checks":[{"name":"broker log","ready":false,"reason":"look at the broker's log: `},
		{"bus away, which has its own check", false, `{"ready":true,"checks":[{"name":"broker log","ready":true}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := telemetry.NewBrokerLog(blind{connected: tt.connected}, telemetry.Volume{Size: 1}, time.Now)
			if status, body := get(log, "/readyz"); status != 200 || !strings.Contains(body, tt.want) {
				t.Errorf("/readyz answers %d %s", status, body)
			}
			if _, body := get(log, "/metrics"); strings.Contains(body, "broker_") {
				t.Errorf("/metrics tells of it:\n%s", body)
			}
		})
	}
}
