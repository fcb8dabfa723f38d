package oncall

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"ticketing/pkg/outbox"
)

// Metrics is what a service shows of itself as metrics. A nil part is left out.
type Metrics struct {
	// Bus is the connection and the broker's books; Group the service's queue group in them.
	Bus   Bus
	Group string
	// Log is the broker's log and how it grows.
	Log *BrokerLog
	// Relay is how the outbox is doing.
	Relay func() outbox.Status
	// Desk has the parked events, the gaps and the verdicts.
	Desk *Desk
}

// scrapeTimeout bounds what one scrape asks the store and the broker.
const scrapeTimeout = 2 * time.Second

// Handler serves /metrics in Prometheus' format: what it shows of store and broker is read at each
// scrape, and left out where it cannot be read.
func (m Metrics) Handler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), m)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ticketing_"+name, help, labels, nil)
}

// Describe implements prometheus.Collector. It names nothing in advance: what is shown depends on what can be read.
func (m Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m Metrics) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if m.Relay != nil {
		status := m.Relay()
		gauge(describe("outbox_waiting", "Events in memory that are not yet published."), float64(status.Waiting))
		gauge(describe("outbox_failures", "Attempts to publish that have failed in a row."), float64(status.Failures))
	}
	if m.Bus != nil {
		m.collectBus(ctx, out, gauge)
	}
	if m.Log != nil {
		m.Log.collect(ctx, gauge)
	}
	if m.Desk != nil {
		m.Desk.collect(ctx, out, gauge)
	}
}

type gaugeFunc func(d *prometheus.Desc, value float64, labels ...string)

func (m Metrics) collectBus(ctx context.Context, out chan<- prometheus.Metric, gauge gaugeFunc) {
	health := m.Bus.Health()
	connected := 0.0
	if health.Connected {
		connected = 1
	}
	gauge(describe("bus_connected", "1 while the bus is connected and every member subscribed."), connected)
	gauge(describe("bus_reconnects", "Connections to the bus that were lost and made again."), float64(health.Reconnects))
	redelivered := describe("bus_redelivered_total", "Events that came and that the broker had sent before.")
	out <- prometheus.MustNewConstMetric(redelivered, prometheus.CounterValue, float64(health.Redelivered))
	channels, err := m.Bus.Channels(ctx)
	if err != nil {
		return
	}
	bytes := describe("channel_bytes", "Size of what the broker keeps of a channel.", "channel")
	events := describe("channel_events", "Events that the broker keeps of a channel.", "channel")
	lag := describe("lag_events", "Events the group has not finished.", "channel", "group")
	lost := describe("lost_events", "Events removed by the broker's limits before they were sent to the group.", "channel", "group")
	for _, c := range channels {
		gauge(bytes, float64(c.Bytes), c.Name)
		gauge(events, float64(c.Messages), c.Name)
		for _, d := range c.Durables {
			if d.Group == m.Group {
				gauge(lag, float64(c.Lag(d)), c.Name, d.Group)
				gauge(lost, float64(c.Lost(d)), c.Name, d.Group)
			}
		}
	}
}

func (d *Desk) collect(ctx context.Context, out chan<- prometheus.Metric, gauge gaugeFunc) {
	verdicts := describe("events_total", "Events handled since the start, by verdict.", "kind", "verdict")
	lost := describe("lost_unmended_events", "Events known to be lost and not yet mended by a resync.", "kind")
	for _, k := range d.Kinds {
		for verdict, count := range k.Verdicts() {
			out <- prometheus.MustNewConstMetric(verdicts, prometheus.CounterValue, float64(count), k.Name(), verdict.String())
		}
		if loss, err := k.Loss(ctx); err == nil {
			gauge(lost, float64(loss.Events), k.Name())
		}
	}
	if gaps, err := d.findGaps(ctx, DefaultGapAge); err == nil {
		gauge(describe("gaps", "Entities that have waited for a version for longer than a minute, at most "+strconv.Itoa(mostGaps)+"."), float64(len(gaps)))
	}
	if parked, err := d.countParked(ctx); err == nil {
		gauge(describe("parked_events", "Parked events, at most "+strconv.Itoa(mostParked)+" of each kind."), float64(parked))
	}
}

func (d *Desk) countParked(ctx context.Context) (all int, err error) {
	for _, k := range d.Kinds {
		n, err := k.Parking().Count(ctx, mostParked)
		if err != nil {
			return 0, err
		}
		all += n
	}
	return all, nil
}

// mostParked bounds how many parked events of a kind are counted.
const mostParked = 1000
