package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// ConsumerConfig tells how a member takes events. Zero values stand for the defaults.
type ConsumerConfig struct {
	// Group is the queue group and durable name of the service, "orders-service". Required.
	Group string
	// AckWait is the subscription's. Default bus.DefaultAckWait.
	AckWait time.Duration
	// MaxInflight is the most events of one channel that the member holds at once. It begins with 256, and
	// takes more or fewer so that each is settled well within AckWait, however slow the store is (see
	// window). Default 16384. The more wait, the more neighbours a batch has: with 8192 it caught up a sixth
	// slower, with 24576 a twentieth faster (make bench).
	MaxInflight int
	// Lanes is how many batches are handled at the same time. Default 3: while one is written, others are read
	// and decided on, and what waits for a fourth would only be missing in the next stretch of the queue (make
	// bench). For a kind with React 4, as a reaction mostly waits for its own write.
	Lanes int
	// MaxBackoff is the longest pause between attempts while the store is away. Default 5 s.
	MaxBackoff time.Duration
}

// Bus is what a consumer needs of the bus.
type Bus interface {
	bus.Subscriber
	bus.Inspector
	// Connected waits until the broker has accepted this client. That is the only sign that the broker
	// has read its books in: before, channels and durables may be missing from what Channel says
	// (DESIGN.md, measured). bus.ErrUnavailable where ctx ends first.
	Connected(ctx context.Context) error
}

// Consumer is one member of the service's queue group for one kind of entity.
type Consumer[T any] struct {
	replica *Replica[T]
	bus     Bus
	config  ConsumerConfig
	log     *slog.Logger
	lanes   *lanes[T]
	resized chan struct{} // the window has got another size

	mu      sync.Mutex
	window  *window
	state   error                   // nil: subscribed and caught up; else what is missing
	paused  error                   // why nothing is taken now; nil while events are handled
	endTurn context.CancelCauseFunc // ends the present turn
	rebuilt Rebuild

	rebuilds chan bool // a rebuild that was asked for, and whether anyway
}

// NewConsumer makes a member that brings events to r. It does nothing before Run.
func NewConsumer[T any](r *Replica[T], b Bus, config ConsumerConfig, log *slog.Logger) *Consumer[T] {
	if config.AckWait == 0 {
		config.AckWait = bus.DefaultAckWait
	}
	if config.MaxInflight == 0 {
		config.MaxInflight = 16384
	}
	if config.Lanes == 0 {
		config.Lanes = 3
		if r.kind.React != nil {
			config.Lanes = 4
		}
	}
	if config.MaxBackoff == 0 {
		config.MaxBackoff = 5 * time.Second
	}
	return &Consumer[T]{
		replica: r, bus: b, config: config, log: log,
		window: newWindow(config.MaxInflight, len(r.kind.Subjects), config.AckWait), resized: make(chan struct{}, 1),
		state: errors.New("not started"), rebuilds: make(chan bool, 1),
	}
}

// Ready returns nil while the member is subscribed and history has been replayed, else what it waits
// for. It may be called concurrently.
func (c *Consumer[T]) Ready() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Run takes events until ctx ends, then finishes and acknowledges those it has, leaves the group and
// returns nil. While the store is away it is not in the group: other members, if their store serves
// them, get the events, and nothing is redelivered over and over. Call it once.
func (c *Consumer[T]) Run(ctx context.Context) error {
	// Handling outlives ctx, so that what was taken can be finished and acknowledged.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.lanes = startLanes(work, c.config.Lanes, c.batchBound, c.handle)
	defer func() {
		stop()
		c.lanes.wait()
	}()
	var looking sync.WaitGroup
	looking.Go(func() { c.replica.lookForGenerations(ctx) })
	defer looking.Wait()
	pause := &backoff.ExponentialBackOff{
		InitialInterval: 50 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: c.config.MaxBackoff,
	}
	said := ""
	for {
		started := time.Now()
		err := c.turn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		c.setState(err)
		if time.Since(started) > c.config.MaxBackoff {
			pause.Reset()
			said = ""
		}
		if reason := err.Error(); reason != said {
			said = reason
			c.log.Warn("takes no events", "kind", c.replica.kind.Name, "group", c.config.Group, "error", err)
		}
		c.awaitStore(ctx, pause)
	}
}

// awaitStore waits, at least one pause, until the store can be written to or ctx ends.
func (c *Consumer[T]) awaitStore(ctx context.Context, pause backoff.BackOff) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause.NextBackOff()):
		}
		if c.replica.db.Ping(ctx) == nil {
			return
		}
	}
}

// turn is one membership: from joining the group until ctx ends or the store goes away. It returns why.
func (c *Consumer[T]) turn(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	c.mu.Lock()
	c.paused, c.endTurn = nil, cancel
	c.mu.Unlock()

	if _, err := c.replica.follow(ctx); err != nil { // the store may have been away for long
		return err
	}
	replay, err := c.needsReplay(ctx)
	if err != nil {
		return err
	}
	c.watchRetention(ctx)
	c.setState(errors.New("joining " + c.config.Group))
	return c.takeEvents(ctx, replay)
}

// attend does, until ctx ends or the window has another size (errResized), what a member does beside taking
// events: it looks for events that the broker has lost, and rebuilds when it is asked to.
func (c *Consumer[T]) attend(ctx context.Context) error {
	audit := time.NewTicker(30 * time.Second)
	defer audit.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.resized:
			return errResized
		case anyway := <-c.rebuilds:
			c.doRebuild(ctx, anyway)
		case <-audit.C:
			c.watchRetention(ctx)
			c.finishReplay(ctx)
		}
	}
}

// finishReplay reads history into a generation that is not complete, because the member that made it the
// present one has died before it was done.
func (c *Consumer[T]) finishReplay(ctx context.Context) {
	m, _, err := c.replica.readMark(ctx)
	if err != nil || m.Replayed {
		return
	}
	c.log.Warn("finishing a rebuild that somebody left", "kind", c.replica.kind.Name, "generation", m.Generation)
	if err := c.replayAll(ctx); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.endTurn(err) // the next turn begins with it
	}
}

// handler decodes what comes on a channel and brings it to its lane.
func (c *Consumer[T]) handler(subject event.Subject, into *lanes[T]) bus.Handler {
	return func(ctx context.Context, m bus.Message, settle bus.Settle) {
		d := &delivery[T]{message: m, settle: settle, taken: c.replica.config.Now()}
		d.change, d.poison = c.replica.kind.Decode(subject, m.Data)
		into.put(ctx, d)
	}
}

// handle gives a batch to the replica; where the store is away it ends the turn, and until the next one
// everything taken is given back at once.
func (c *Consumer[T]) handle(ctx context.Context, batch []*delivery[T]) {
	c.mu.Lock()
	paused := c.paused
	c.mu.Unlock()
	if paused != nil {
		for _, d := range batch {
			d.settle(paused)
		}
		return
	}
	inHand := c.lanes.inHand()
	if err := c.replica.handle(ctx, batch); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.paused = err
		c.endTurn(err)
		return
	}
	c.learn(settledBatch{events: len(batch), taken: oldest(batch), at: c.replica.config.Now(), inHand: inHand})
}

// oldest is when the first delivery of a batch was taken.
func oldest[T any](batch []*delivery[T]) time.Time {
	return slices.MinFunc(batch, func(a, b *delivery[T]) int { return a.taken.Compare(b.taken) }).taken
}

func (c *Consumer[T]) setState(state error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = state
}

// needsReplay tells whether history has to be read again: the store has never done so, and the group
// has a position already, so the broker would send it only what comes after that. That is so when the
// store was lost, or when the service takes over the durable of another implementation.
func (c *Consumer[T]) needsReplay(ctx context.Context) (bool, error) {
	c.setState(errors.New("asking the store whether history has been replayed"))
	m, _, err := c.replica.readMark(ctx)
	if err != nil || m.Replayed {
		return false, err
	}
	c.setState(errors.New("waiting for the bus, to see whether history has to be replayed"))
	if err := c.bus.Connected(ctx); err != nil {
		return false, err
	}
	for _, subject := range c.replica.kind.Subjects {
		channel, err := c.bus.Channel(ctx, string(subject))
		if err != nil {
			return false, fmt.Errorf("look at %s: %w", subject, err)
		}
		for _, durable := range channel.Durables {
			if durable.Group == c.config.Group {
				return true, nil
			}
		}
	}
	// A new group is sent everything from the beginning, which is the replay.
	return false, c.replica.setReplayed(ctx)
}
