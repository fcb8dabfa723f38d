package oncall_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/telemetry"
)

func TestTheDeskIsShownInMetrics(t *testing.T) {
	// given an event applied, one parked and one that waits
	s := start(t)
	s.publish(event.SubjectTicketCreated, version0)
	s.publish(event.SubjectTicketUpdated, version2)
	s.publish(event.SubjectTicketUpdated, "poison")
	s.awaitParked(1)
	metrics := telemetry.Metrics{Bus: s.conn, Group: "station", Replicas: s.desk}
	wants := []string{
		`ticketing_events_total{kind="ticket",verdict="apply"} 1`,
		`ticketing_events_total{kind="ticket",verdict="early"} 1`,
		`ticketing_events_total{kind="ticket",verdict="poison"} 1`,
		"ticketing_parked_events 1",
		"ticketing_gaps 0", // it has not waited a minute
		`ticketing_channel_events{channel="ticket:updated"} 2`,
		`ticketing_lag_events{channel="ticket:updated",group="station"} 0`,
		`ticketing_lost_events{channel="ticket:updated",group="station"} 0`,
		`ticketing_lost_unmended_events{kind="ticket"} 0`,
	}
	// then all of that is in the metrics, once the last ack is through
	deadline := time.Now().Add(time.Minute)
	for {
		w := httptest.NewRecorder()
		metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		var missing []string
		for _, want := range wants {
			if !strings.Contains(w.Body.String(), want) {
				missing = append(missing, want)
			}
		}
		if len(missing) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("missing %q in:\n%s", missing, w.Body)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
