package outbox

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/store"
)

// Config of a Relay. Zero values stand for the defaults.
type Config struct {
	// Queue is how many events are held in memory, until the store has forgotten them; the others wait in
	// the store. Default 16384.
	Queue int
	// SweepEvery is the pause between two looks for events that nobody brought: those of a process
	// that crashed, and those that found no room in memory. Default 1 s.
	SweepEvery time.Duration
	// Grace is how old an event must be for a sweep to take it, so that the relays of several
	// processes leave one another's fresh events alone. The first sweep takes all. Default 5 s.
	Grace time.Duration
	// MaxBackoff is the longest pause between attempts while the broker is away. Default 2 s.
	MaxBackoff time.Duration
	// DrainTimeout is how long Run goes on publishing what is in memory after its ctx has ended, as
	// long as the broker takes it. Default 5 s.
	DrainTimeout time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	orDefault(&c.Queue, 16384)
	orDefault(&c.SweepEvery, time.Second)
	orDefault(&c.Grace, 5*time.Second)
	orDefault(&c.MaxBackoff, 2*time.Second)
	orDefault(&c.DrainTimeout, 5*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func orDefault[T comparable](value *T, standard T) {
	var zero T
	if *value == zero {
		*value = standard
	}
}

// Relay takes the events of one collection's outboxes to the bus: many entities at once, the events of
// one entity in version order. While one relay serves a collection, the first copies of an entity's
// events enter their channels in that order; rival relays and unknown outcomes may duplicate or swap, and
// so may a sweep after more than Queue events have been held at once.
type Relay struct {
	records   store.Collection
	bus       bus.Sender
	config    Config
	log       *slog.Logger
	lanes     *lanes
	gathering gathering

	mu     sync.Mutex
	status Status
}

// Status tells how a relay is doing.
type Status struct {
	// Waiting counts the events in memory that are not yet published.
	Waiting int
	// Failing is since when no attempt to publish has succeeded; zero while they do.
	Failing time.Time
	// Failures counts the attempts that failed in a row.
	Failures int
	// LastError is the last failure of that row.
	LastError error
}

// NewRelay makes a relay for the outboxes of records. It does nothing before Run.
func NewRelay(records store.Collection, to bus.Sender, config Config, log *slog.Logger) *Relay {
	config = config.withDefaults()
	return &Relay{records: records, bus: to, config: config, log: log, lanes: newLanes(config.Queue), gathering: defaultGathering()}
}

// Status may be called at any time, concurrently.
func (r *Relay) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	status := r.status
	status.Waiting = r.lanes.size()
	return status
}

// offer brings an event that was just stored. One that finds no room is found by a sweep.
func (r *Relay) offer(id string, version int64, ev store.Event) { r.lanes.offer(id, version, ev) }

// Run publishes until ctx ends, then drains what is in memory, and returns when nothing of it runs any
// more. It returns nil: whatever was not published is still in the store, as is what the bus answers later. Call
// it once.
func (r *Relay) Run(ctx context.Context) error {
	// Publishing outlives ctx, for the drain.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	over := make(chan struct{})
	var publisher, forgetter sync.WaitGroup
	publisher.Go(func() { r.publish(work) })
	forgetter.Go(func() { r.forget(work, over) })

	r.sweepUntilDone(ctx)
	r.drain()
	stop()
	publisher.Wait()
	close(over)
	forgetter.Wait()
	return nil
}

// drain waits until nothing waits in memory, an attempt fails, or the time for it is over.
func (r *Relay) drain() {
	deadline := time.After(r.config.DrainTimeout)
	check := time.NewTicker(20 * time.Millisecond) // a failure frees nothing and so signals nothing
	defer check.Stop()
	for {
		status := r.Status()
		if status.Waiting == 0 || status.Failures > 0 {
			break
		}
		select {
		case <-r.lanes.freed:
		case <-check.C:
		case <-deadline:
			return
		}
	}
}
