package replica

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/sync/errgroup"

	"ticketing/pkg/replica/internal/lanes"
	"ticketing/pkg/replica/internal/window"
)

// Consumer is one member of the service's queue group for one kind of entity.
type Consumer[T any] struct {
	replica   *Replica[T]
	bus       Bus
	config    ConsumerConfig
	log       *slog.Logger
	historian *historian[T]
	lanes     *lanes.Lanes[*delivery[T]]
	resized   chan struct{} // the window has got another size
	// tookOver: what an earlier release has parked is taken over.
	tookOver bool

	mu      sync.Mutex
	window  *window.Window
	state   error                   // nil: subscribed and caught up; else what is missing
	paused  error                   // why nothing is taken now; nil while events are handled
	endTurn context.CancelCauseFunc // ends the present turn
}

// NewConsumer makes a member that brings events to r. It does nothing before Run.
func NewConsumer[T any](r *Replica[T], b Bus, config ConsumerConfig, log *slog.Logger) *Consumer[T] {
	config = config.withDefaults()
	c := &Consumer[T]{
		replica: r, bus: b, config: config, log: log, resized: make(chan struct{}, 1), state: errors.New("not started"),
		window: window.New(config.MaxInflight, len(r.kind.Subjects), config.AckWait),
	}
	c.historian = &historian[T]{
		replica: r, bus: b, config: config, log: log, bound: c.batchBound, setState: c.setState, asked: make(chan bool, 1),
	}
	return c
}

// StartRebuild asks for all replicas of the kind to be made anew from the events that the broker has. Readers are
// served throughout, from the present generation and then from the new one. It returns at once; Rebuild reports how it
// goes. A rebuild that a crash or a lost store ended, at whatever point, is simply started again. If the broker no
// longer has the whole history it ends with an error, unless anyway is set: then what history lacks is gone.
// ErrRebuilding if one was asked for and has not ended.
func (c *Consumer[T]) StartRebuild(anyway bool) error { return c.historian.ask(anyway) }

// Rebuild returns how the last rebuild that this member was asked for went. It may be called concurrently.
func (c *Consumer[T]) Rebuild() Rebuild { return c.historian.lastRebuild() }

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
	c.lanes = c.historian.startLanes(work, c.handle)
	c.historian.lanes = c.lanes
	defer func() {
		stop()
		c.lanes.Wait()
	}()
	var looking sync.WaitGroup
	looking.Go(func() { c.replica.generations.KeepFollowing(ctx) })
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

	if _, err := c.replica.generations.Follow(ctx); err != nil { // the store may have been away for long
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
	doing.Go(func() error { return c.historian.keep(turn, joined, replay) })
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

// watchRetention looks at the broker's books for events that were removed before they were sent. It shows only until
// the group is sent what comes after the hole, hence a look before each joining.
func (c *Consumer[T]) watchRetention(ctx context.Context) {
	for _, subject := range c.replica.kind.Subjects {
		channel, err := c.bus.Channel(ctx, string(subject))
		if err != nil {
			c.log.Debug("retention cannot be watched", "subject", string(subject), "error", err)
			continue
		}
		for _, durable := range channel.Durables {
			lost := channel.Lost(durable)
			if durable.Group != c.config.Group || lost == 0 {
				continue
			}
			c.log.Warn("the broker has removed events before they were sent", "subject", string(subject),
				"events", lost, "first", channel.FirstSeq, "sent", durable.LastSent)
			if err := c.replica.generations.NoteLoss(ctx, channel, durable); err != nil {
				c.log.Warn("loss not noted", "subject", string(subject), "error", err)
			}
		}
	}
}

// handle gives a batch to the replica. If the store is away it ends the turn, and until the next one
// everything taken is given back at once.
func (c *Consumer[T]) handle(ctx context.Context, batch []*delivery[T]) {
	c.mu.Lock()
	paused := c.paused
	c.mu.Unlock()
	if paused != nil {
		for _, d := range batch {
			d.Refuse(paused)
		}
		return
	}
	inHand := c.lanes.InHand()
	if err := c.replica.handle(ctx, batch); err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.paused = err
		c.endTurn(err)
		return
	}
	c.learn(window.Batch{Events: len(batch), Taken: oldest(batch), At: c.replica.config.Now(), InHand: inHand})
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
