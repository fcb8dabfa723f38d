package orders_test

import (
	"strings"
	"testing"

	"ticketing/pkg/service/servicetest"
)

func TestMetrics(t *testing.T) {
	s := start(t)
	s.seeNew(t)
	metrics := servicetest.Call(t, s.service.AdminHandler(), servicetest.Request{Line: "GET /metrics"}).Body
	for _, want := range []string{
		"ticketing_outbox_waiting ", "ticketing_bus_connected ", "ticketing_gaps ", "ticketing_parked_events ",
		`ticketing_lag_events{channel="ticket:created",group="orders-service"} `, `ticketing_lost_unmended_events{kind="ticket"} `,
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
}
