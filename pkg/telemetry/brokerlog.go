package telemetry

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/httpapi"
)

// DefaultWarnDays is how many days before the volume is full the service reports it: a week includes a weekend.
const DefaultWarnDays = 7

const (
	// lookEvery bounds how often the broker is asked, whoever asks us.
	lookEvery = time.Minute
	// lookTimeout is shorter than that of a readiness check, so that a look never makes one time out.
	lookTimeout = time.Second
)

// Volume is where the broker keeps its log.
type Volume struct {
	// Size of the volume. 0 means unknown: then nothing reports when it will be full.
	Size Bytes `envconfig:"BROKER_VOLUME"`
	// WarnDays is how many days before the volume is full the service reports that it is degraded. 0 means
	// DefaultWarnDays.
	WarnDays uint `envconfig:"BROKER_VOLUME_WARN_DAYS"`
}

// BrokerLog watches how the broker's log grows, over the last day or for as long as this process runs.
//
//	/metrics, /readyz ──> Look, at most once a minute ──> bus.Inspector
//	                        └──> sizes of the last day ──> Growth ──> a day, days left
//
// It uses the growth that it has seen itself, not the mean since the log's first event: an old log's mean hardly moves
// when traffic rises. It has no goroutine and looks only when it is asked. It may be used concurrently.
type BrokerLog struct {
	bus    Bus
	volume Volume
	now    func() time.Time

	mu     sync.Mutex
	seen   sizes
	growth Growth
	err    error // of the last look
	looked time.Time
}

// Bus is the connection and the broker's books.
type Bus interface {
	bus.HealthReporter
	bus.Inspector
}

// NewBrokerLog returns the log of the broker behind bus. It asks nothing yet. now is the clock.
func NewBrokerLog(bus Bus, volume Volume, now func() time.Time) *BrokerLog {
	volume.WarnDays = cmp.Or(volume.WarnDays, DefaultWarnDays)
	return &BrokerLog{bus: bus, volume: volume, now: now}
}

// Look returns the growth as it was at most a minute ago, even if the clock was set meanwhile. It returns
// bus.ErrUnavailable if the bus is not connected or its monitoring does not answer. A broker that has just started does
// not know all of its channels, so its size counts only once the bus is connected.
func (l *BrokerLog) Look(ctx context.Context) (Growth, error) {
	if err := l.bus.Health().Err(); err != nil {
		return Growth{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	// A last look in the future means that the clock was set back.
	if since := now.Sub(l.looked); since < 0 || since >= lookEvery {
		l.look(ctx, now)
	}
	return l.growth, l.err
}

func (l *BrokerLog) look(ctx context.Context, now time.Time) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	channels, err := l.bus.Channels(ctx)
	l.looked, l.err = now, err
	if err == nil {
		size := SizeOf(channels, now)
		l.seen = l.seen.with(size)
		l.growth = Growth{From: l.seen[0], To: size}
	}
}

// Checks returns the readiness check of the log, or none if the volume's size is unknown. The check degrades the
// service, without taking it out of service, if the volume will be full within WarnDays or if Look fails.
func (l *BrokerLog) Checks() []httpapi.Check {
	if l.volume.Size == 0 {
		return nil
	}
	return []httpapi.Check{{Name: "broker log", Effect: httpapi.Degraded, Check: l.check}}
}

func (l *BrokerLog) check(ctx context.Context) error {
	if !l.bus.Health().Connected {
		return nil // the bus has a check of its own
	}
	growth, err := l.Look(ctx)
	if err != nil {
		return fmt.Errorf("look at the broker's log: %w", err)
	}
	days, known := growth.DaysLeft(l.volume.Size)
	if !known || days >= float64(l.volume.WarnDays) {
		return nil
	}
	return fmt.Errorf("the broker's log has %v of %v: full in %.1f days; see \"When the broker's log grows\" in the README",
		growth.To.Bytes, l.volume.Size, days)
}

func (l *BrokerLog) collect(ctx context.Context, out output) {
	growth, err := l.Look(ctx)
	if err != nil {
		return
	}
	out.gauge(describe("broker_log_bytes", "Size of the broker's log, all channels together."), float64(growth.To.Bytes))
	if perDay, known := growth.PerDay(); known {
		out.gauge(describe("broker_log_growth_bytes_per_day", "Growth of the broker's log over the last day, or since the service started."), perDay)
	}
	if l.volume.Size != 0 {
		out.gauge(describe("broker_volume_bytes", "Size of the volume that the broker's log is on, as configured."), float64(l.volume.Size))
	}
	if days, known := growth.DaysLeft(l.volume.Size); known {
		out.gauge(describe("broker_log_days_left", "Days until that volume is full, if the log goes on growing so."), days)
	}
}
