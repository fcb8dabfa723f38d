package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/store"
)

// Config of a Relay. Zero values stand for the defaults.
type Config struct {
	// Publishers is how many events are on their way to the broker at the same time. Default 1024: the broker
	// syncs its files once for all that have come together, so with 256 a backlog took twice as long (make bench).
	Publishers int
	// Queue is how many events are held in memory; the others wait in the store. Default 16384.
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
	orDefault(&c.Publishers, 1024)
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
// so may a sweep after more than Queue events have waited at once.
type Relay struct {
	records   store.Collection
	publisher bus.Publisher
	config    Config
	log       *slog.Logger
	lanes     *lanes

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
func NewRelay(records store.Collection, publisher bus.Publisher, config Config, log *slog.Logger) *Relay {
	config = config.withDefaults()
	return &Relay{records: records, publisher: publisher, config: config, log: log, lanes: newLanes(config.Queue)}
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
// more. It returns nil: whatever was not published is still in the store. Call it once.
func (r *Relay) Run(ctx context.Context) error {
	// Publishing outlives ctx, for the drain.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	sent := make(chan published, r.config.Publishers)
	var publishers, forgetter sync.WaitGroup
	for range r.config.Publishers {
		publishers.Go(func() { r.publish(work, sent) })
	}
	forgetter.Go(func() { r.forget(work, sent) })

	r.sweepUntilDone(ctx)
	r.drain()
	stop()
	publishers.Wait()
	close(sent)
	forgetter.Wait()
	return nil
}

// publish takes one lane after the other and publishes the event that is next in it.
func (r *Relay) publish(ctx context.Context, sent chan<- published) {
	for {
		select {
		case <-ctx.Done():
			return
		case entity := <-r.lanes.ready:
			next := r.lanes.next(entity)
			if err := r.publisher.Publish(ctx, next.event.Channel, next.event.Data); err != nil {
				r.failed(entity, next, err)
				r.backOff(ctx)
				r.lanes.failed(entity)
				continue
			}
			r.succeeded(entity, next)
			more := r.lanes.published(entity, next.version)
			sent <- published{entity.id, next.version, more}
		}
	}
}

func (r *Relay) succeeded(entity *lane, next waitingEvent) {
	r.mu.Lock()
	failures := r.status.Failures
	r.status = Status{}
	r.mu.Unlock()
	if failures > 0 {
		r.log.Info("publishing again", "failures", failures)
	}
	r.log.Debug("published", "subject", next.event.Channel, "id", entity.id, "version", next.version)
}

// failed notes a failure and says so: aloud when it is the first of a row, else at debug.
func (r *Relay) failed(entity *lane, next waitingEvent, err error) {
	r.mu.Lock()
	if r.status.Failures == 0 {
		r.status.Failing = r.config.Now()
	}
	r.status.Failures++
	r.status.LastError = err
	first := r.status.Failures == 1
	r.mu.Unlock()
	level := slog.LevelDebug
	if (first && !errors.Is(err, context.Canceled)) || errors.Is(err, bus.ErrChannel) {
		level = slog.LevelWarn
	}
	r.log.Log(context.Background(), level, "not published; the event stays in the outbox",
		"subject", next.event.Channel, "id", entity.id, "version", next.version, "error", err)
}

// backOff waits, longer with each failure of the row and never the same as the other publishers.
func (r *Relay) backOff(ctx context.Context) {
	r.mu.Lock()
	failures := r.status.Failures
	r.mu.Unlock()
	pause := min(r.config.MaxBackoff, 50*time.Millisecond<<min(failures, 16))
	pause = pause/2 + rand.N(pause/2+1)
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
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
