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
	"golang.org/x/sync/errgroup"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// ConsumerConfig is how a member takes events. Zero values stand for the defaults.
type ConsumerConfig struct {
	// Group is the queue group and durable name of the service, "orders-service". Required.
	Group string
	// AckWait is the subscription's. Default bus.DefaultAckWait.
	AckWait time.Duration
	// MaxInflight is the most events of one channel that the member holds at once. It begins with 256, and takes more
	// or fewer so that each is settled well within AckWait, however slow the store is (see window). Default 16384. The
	// more wait, the more neighbours a batch has: with 8192 it caught up a sixth slower, with 24576 a twentieth faster
	// (make bench).
	MaxInflight int
	// MaxHeldBytes bounds the payloads in all lanes together, waiting and in work: the broker lets an event have 1 MiB,
	// and thousands of those at once would end a process of some hundred MB. Default 32 MiB.
	MaxHeldBytes int64
	// Lanes is how many batches are handled at the same time. Default 3: while one is written, others are read and
	// decided on, and what waits for a fourth would only be missing in the next stretch of the queue (make bench). For
	// a kind with React 4, as a reaction mostly waits for its own write.
	Lanes int
	// MaxBatch bounds how many events one write carries. A short stretch of the queue has as many neighbours as a long
	// one, and leaves more for the next lane to choose from. Default 1024: 500 measured alike, 2,000 and 4,000 were a
	// tenth and a fifth slower (make bench). For a kind with React 64: the reactions are one write each, one after the
	// other, and nothing of the batch is settled before the last.
	MaxBatch int
	// MaxLower is about how many entities a rebuild compares at a time with what they were before it began, each
	// time after another fill. Default 10,000.
	MaxLower int
	// MaxBackoff is the longest pause between attempts while the store is away. Default 5 s.
	MaxBackoff time.Duration
	// LookEvery is how often a replay looks whether the broker still has what is missing. Default 1 s.
	LookEvery time.Duration
}

func (c ConsumerConfig) withDefaults(reacts bool) ConsumerConfig {
	if reacts {
		orDefault(&c.Lanes, 4)
		orDefault(&c.MaxBatch, 64)
	}
	orDefault(&c.AckWait, bus.DefaultAckWait)
	orDefault(&c.MaxInflight, 16384)
	orDefault(&c.MaxHeldBytes, 32<<20)
	orDefault(&c.Lanes, 3)
	orDefault(&c.MaxBatch, 1024)
	orDefault(&c.MaxLower, 10_000)
	orDefault(&c.MaxBackoff, 5*time.Second)
	orDefault(&c.LookEvery, time.Second)
	return c
}

// Bus is what a consumer needs of the bus.
type Bus interface {
	bus.Subscriber
	bus.Inspector
	// Connected waits until the broker has accepted this client. That is the only sign that the broker has read its
	// books in: before, channels and durables may be missing from what Channel returns (docs/contract.md, Measured
	// facts). bus.ErrUnavailable if ctx ends first.
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
	// tookOver: what an earlier release has parked is taken over.
	tookOver bool

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
	config = config.withDefaults(r.kind.React != nil)
	return &Consumer[T]{
		replica: r, bus: b, config: config, log: log,
		window: newWindow(config.MaxInflight, len(r.kind.Subjects), config.AckWait), resized: make(chan struct{}, 1),
		state: errors.New("not started"), rebuilds: make(chan bool, 1),
	}
}

// startLanes starts lanes as the member is configured.
func (c *Consumer[T]) startLanes(ctx context.Context, handle func(context.Context, []*delivery[T])) *lanes[T] {
	return startLanes(ctx, c.config.Lanes, c.config.MaxHeldBytes, c.batchBound, handle)
}

// Ready returns nil while the member is subscribed and history has been replayed, else what it waits for. It may be
// called concurrently.
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
	c.lanes = c.startLanes(work, c.handle)
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
			c.log.Warn("consumer stopped", "kind", c.replica.kind.Name, "group", c.config.Group, "error", err)
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
	if !c.tookOver {
		if err := c.replica.takeOverParked(ctx); err != nil {
			return err
		}
		c.tookOver = true
	}
	replay, err := c.needsReplay(ctx)
	if err != nil {
		return err
	}
	c.watchRetention(ctx)
	c.setState(errors.New("joining " + c.config.Group))
	return c.takeEvents(ctx, replay)
}

// takeEvents is a member from its joining until ctx ends, and returns why it did. Three things go on side by side: it
// takes what the broker sends, it has the whole of history, also anew if a person asks for a rebuild, and it looks
// for events that the broker has lost.
func (c *Consumer[T]) takeEvents(ctx context.Context, replay bool) error {
	joined := make(chan struct{})
	doing, turn := errgroup.WithContext(ctx)
	doing.Go(func() error { return c.stayJoined(turn, joined) })
	doing.Go(func() error { return c.keepHistory(turn, joined, replay) })
	doing.Go(func() error { return c.audit(turn) })
	return errors.Join(doing.Wait(), context.Cause(ctx))
}

const auditEvery = 30 * time.Second

// audit looks regularly for events that the broker has lost, until ctx ends.
func (c *Consumer[T]) audit(ctx context.Context) error {
	look := time.NewTicker(auditEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
			c.watchRetention(ctx)
		}
	}
}

// keepHistory replays history if it is needed, and then rebuilds when it is asked to, until ctx ends. It finishes what
// a member has left that died after it had made another generation the present one.
func (c *Consumer[T]) keepHistory(ctx context.Context, joined <-chan struct{}, replay bool) error {
	select {
	case <-joined: // what is published from now on comes by the group
	case <-ctx.Done():
		return nil
	}
	if replay {
		c.setState(errors.New("replaying history"))
		if err := c.replayAll(ctx); err != nil {
			return err
		}
	}
	c.setState(nil)
	c.log.Info("consumer joined", "kind", c.replica.kind.Name, "group", c.config.Group)
	look := time.NewTicker(auditEvery)
	defer look.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case anyway := <-c.rebuilds:
			err = c.doRebuild(ctx, anyway)
		case <-look.C:
			err = c.finishReplay(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// finishReplay reads history into a generation that is not complete, because the member that made it the present one
// has died before it was done.
func (c *Consumer[T]) finishReplay(ctx context.Context) error {
	m, _, err := c.replica.readMark(ctx)
	if err != nil || m.Replayed {
		return nil // a store that is away ends the turn when events come
	}
	c.log.Warn("finishing a rebuild that another instance left", "kind", c.replica.kind.Name, "generation", m.Generation)
	return c.replayAll(ctx)
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

// needsReplay reports whether history has to be read again: the store has never done so, and the group has a position
// already, so the broker would send it only what comes after that. That is so if the store was lost, or if the service
// takes over the durable of another implementation.
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
