// Package telemetry shows what a service does: its metrics and how the broker's log grows.
//
//	Prometheus ──> /metrics ──> Metrics ──> Bus, BrokerLog, outbox, Replicas
//	probes     ──> /readyz  ──> BrokerLog.Checks
//
// It knows the bus as a port and the rest of a service by small interfaces, so that a service imports only what it has.
package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is what a service shows of itself as metrics. A nil part is left out.
type Metrics struct {
	// Bus is the connection and the broker's books; Group is the service's queue group in them.
	Bus   Bus
	Group string
	// Log is the broker's log and how it grows.
	Log *BrokerLog
	// Outbox counts the events in memory that are not yet published, and the attempts to publish that failed in a row.
	Outbox func() (waiting, failures int)
	// Replicas counts what became of other services' events.
	Replicas Replicas
}

// Replicas counts what became of the events from which a service keeps replicas. An oncall.Desk is one.
type Replicas interface {
	// Handled counts the events handled since the start, by kind and verdict.
	Handled() map[string]map[string]uint64
	// Lost counts the events known to be lost and not yet mended, by kind. It leaves out a kind that cannot be read.
	Lost(ctx context.Context) map[string]uint64
	// CountGaps counts the entities that have waited for a version for longer than age, at most limit.
	CountGaps(ctx context.Context, age time.Duration, limit int) (int, error)
	// CountParked counts the parked events, at most limit of each kind.
	CountParked(ctx context.Context, limit int) (int, error)
}

const (
	// scrapeTimeout bounds what one scrape asks the store and the broker.
	scrapeTimeout = 2 * time.Second
	// gapAge is how long a gap must last to be counted: most heal within milliseconds.
	gapAge = time.Minute
	// mostCounted bounds how many gaps, and how many parked events of a kind, one scrape counts.
	mostCounted = 1000
)

// Handler serves /metrics in Prometheus' format. Each scrape reads store and broker anew and leaves out what it cannot
// read.
func (m Metrics) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

// Describe implements prometheus.Collector. It names nothing in advance: what is shown depends on what can be read.
func (m Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m Metrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	out := output(metrics)
	if m.Outbox != nil {
		waiting, failures := m.Outbox()
		out.gauge(describe("outbox_waiting", "Events in memory that are not yet published."), float64(waiting))
		out.gauge(describe("outbox_failures", "Attempts to publish that have failed in a row."), float64(failures))
	}
	if m.Bus != nil {
		m.collectBus(ctx, out)
	}
	if m.Log != nil {
		m.Log.collect(ctx, out)
	}
	if m.Replicas != nil {
		m.collectReplicas(ctx, out)
	}
}

// output takes the metrics of one scrape.
type output chan<- prometheus.Metric

func (o output) gauge(d *prometheus.Desc, value float64, labels ...string) {
	o <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

func (o output) counter(d *prometheus.Desc, value uint64, labels ...string) {
	o <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ticketing_"+name, help, labels, nil)
}

func (m Metrics) collectBus(ctx context.Context, out output) {
	health := m.Bus.Health()
	connected := 0.0
	if health.Connected {
		connected = 1
	}
	out.gauge(describe("bus_connected", "1 while the bus is connected and every member subscribed."), connected)
	out.gauge(describe("bus_reconnects", "Connections to the bus that were lost and made again."), float64(health.Reconnects))
	out.counter(describe("bus_redelivered_total", "Events that came and that the broker had sent before."), health.Redelivered)
	channels, err := m.Bus.Channels(ctx)
	if err != nil {
		return
	}
	bytes := describe("channel_bytes", "Size of what the broker keeps of a channel.", "channel")
	events := describe("channel_events", "Events that the broker keeps of a channel.", "channel")
	lag := describe("lag_events", "Events the group has not finished.", "channel", "group")
	lost := describe("lost_events", "Events removed by the broker's limits before they were sent to the group.", "channel", "group")
	for _, c := range channels {
		out.gauge(bytes, float64(c.Bytes), c.Name)
		out.gauge(events, float64(c.Messages), c.Name)
		for _, d := range c.Durables {
			if d.Group == m.Group {
				out.gauge(lag, float64(c.Lag(d)), c.Name, d.Group)
				out.gauge(lost, float64(c.Lost(d)), c.Name, d.Group)
			}
		}
	}
}

func (m Metrics) collectReplicas(ctx context.Context, out output) {
	handled := describe("events_total", "Events handled since the start, by verdict.", "kind", "verdict")
	for kind, verdicts := range m.Replicas.Handled() {
		for verdict, count := range verdicts {
			out.counter(handled, count, kind, verdict)
		}
	}
	lost := describe("lost_unmended_events", "Events known to be lost and not yet mended by a resync.", "kind")
	for kind, count := range m.Replicas.Lost(ctx) {
		out.gauge(lost, float64(count), kind)
	}
	if gaps, err := m.Replicas.CountGaps(ctx, gapAge, mostCounted); err == nil {
		help := fmt.Sprintf("Entities that have waited for a version for longer than a minute, at most %d.", mostCounted)
		out.gauge(describe("gaps", help), float64(gaps))
	}
	if parked, err := m.Replicas.CountParked(ctx, mostCounted); err == nil {
		out.gauge(describe("parked_events", fmt.Sprintf("Parked events, at most %d of each kind.", mostCounted)), float64(parked))
	}
}
