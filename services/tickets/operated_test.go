package tickets_test

import (
	"strings"
	"testing"

	"ticketing/pkg/service/servicetest"
)

func TestMetrics(t *testing.T) {
	s := start(t)
	metrics := servicetest.Call(t, s.service.AdminHandler(), servicetest.Request{Line: "GET /metrics"}).Body
	for _, want := range []string{
		"ticketing_outbox_waiting ", "ticketing_bus_connected ", "ticketing_broker_log_bytes ",
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
}
