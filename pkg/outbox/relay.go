package outbox

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/outbox/internal/gather"
	"ticketing/pkg/store"
)

// Config of a Relay. Zero values stand for the defaults.
type Config struct {
	// Queue is how many events are held in memory until the store has forgotten them. The others wait in the
	// store. Default 16384.
	Queue int
	// SweepEvery is the pause between two sweeps, which look for events that are in no relay's memory: a process
	// crashed, or there was no room. Default 1 s.
	SweepEvery time.Duration
	// Grace is how old an event must be before other relays than its writer's publish it (see Relay). Default 5 s.
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

// Relay takes the events of one collection's outboxes to the bus: many entities at once, the events of one entity
// in version order. It never loses an event, and it may publish one more than once.
//
// One relay on a collection: the first copies of an entity's events enter their channels in version order. This
// holds after a crash and when memory is full, too: a change also offers the older events that it finds in the
// entity's record and that are not in memory. Events are repeated only after a crash, after an attempt with an
// unknown outcome, or if they are published and forgotten between a sweep's read and its offer.
//
// Several relays, one in each instance: an event younger than Grace belongs to the instance that wrote it, and a
// later version that another instance writes does not wait for it. So versions may be swapped, normally by
// milliseconds. If an instance dies, its last events come when they are as old as Grace; until then consumers keep
// later versions as early events. A relay takes younger events of others only before its first sweep has passed,
// and, of an entity that it changes, within Grace after an event of its own did not get into memory. It then
// publishes a copy of what its rival has in work, at most one of each event.
//
// The bus refuses an event with an invalid channel name for good (bus.ErrChannel). The event stays in the store,
// each sweep tries it once more, and neither other entities nor later versions wait for it.
type Relay struct {
	records   store.Collection
	bus       bus.Sender
	config    Config
	log       *slog.Logger
	lanes     *lanes
	gathering gather.Limits

	mu     sync.Mutex
	status Status
	swept  bool      // a sweep has passed
	missed time.Time // when an event written here last stayed out of memory, or may have
}

// Status describes how a relay is doing.
type Status struct {
	// Waiting counts the events in memory that are not yet published.
	Waiting int
	// Failing is the time of the first failure since an attempt to publish last succeeded; zero if there is none.
	Failing time.Time
	// Failures counts the attempts that failed in a row.
	Failures int
	// LastError is the last failure of that row.
	LastError error
}

// NewRelay makes a relay for the outboxes of records. It does nothing before Run.
func NewRelay(records store.Collection, to bus.Sender, config Config, log *slog.Logger) *Relay {
	config = config.withDefaults()
	return &Relay{records: records, bus: to, config: config, log: log, lanes: newLanes(config.Queue), gathering: gather.Default()}
}

// Status may be called at any time, concurrently.
func (r *Relay) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	status := r.status
	status.Waiting = r.lanes.size()
	return status
}

// Run publishes until ctx ends, then drains what is in memory, and returns when all its goroutines have ended. It
// returns nil: an event that was not published by then, or is answered later, is still in the store. Call it once.
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

// drain returns when nothing waits in memory, when attempts fail, or after DrainTimeout.
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
