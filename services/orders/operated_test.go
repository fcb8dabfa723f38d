package orders_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/app"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/telemetry"
	"ticketing/services/orders"
	"ticketing/services/servicetest"
)

// What fails only at the start, or only degrades, must not take an instance out of service.
func TestWhatAFailingCheckDoes(t *testing.T) {
	s := start(t)
	service, err := orders.New(t.Context(), orders.Deps{
		Store: s.store, Bus: stantest.Connect(t, s.broker, "orders-2"), Sessions: servicetest.Sessions(t),
		Log: s.log.Logger(), Now: servicetest.Now, Volume: telemetry.Volume{Size: 1 << 30},
	})
	if err != nil {
		t.Fatal(err)
	}
	effects := map[string]httpapi.Effect{}
	for _, check := range service.Checks() {
		effects[check.Name] = check.Effect
	}
	if diff := cmp.Diff(map[string]httpapi.Effect{
		"store": httpapi.Unready, "bus": httpapi.UnreadyAtStart, "tickets": httpapi.UnreadyAtStart,
		"gaps": httpapi.Degraded, "retention": httpapi.Degraded, "broker log": httpapi.Degraded,
	}, effects); diff != "" {
		t.Errorf("effects of the checks (-want +got):\n%s", diff)
	}
}

func TestMetrics(t *testing.T) {
	s := start(t)
	s.seeNew(t)
	metrics := servicetest.Call(t, app.AdminHandler(s.service), servicetest.Request{Line: "GET /metrics"}).Body
	for _, want := range []string{
		"ticketing_outbox_waiting ", "ticketing_bus_connected ", "ticketing_gaps ", "ticketing_parked_events ",
		`ticketing_lag_events{channel="ticket:created",group="orders-service"} `, `ticketing_lost_unmended_events{kind="ticket"} `,
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
}
