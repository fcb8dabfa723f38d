package stan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanlimits"
)

// Conn implements bus.Conn as one client id at a NATS Streaming cluster. Its owner goroutine connects, and connects
// again, until Close.
type Conn struct {
	*Monitor // the methods of bus.Inspector

	cfg Config
	log *slog.Logger

	stop context.CancelFunc // ends the owner
	done chan struct{}      // closed when the owner has ended

	mu      sync.Mutex
	closing bool
	session *session // nil while there is none
	members map[*member]struct{}
	health  bus.Health
	changed chan struct{} // closed, and replaced, whenever something above changes

	connections int // how many times it has been connected
	redelivered atomic.Uint64
}

var (
	_ bus.Conn      = (*Conn)(nil)
	_ bus.Inspector = (*Monitor)(nil)
)

// Open checks cfg and returns at once. Connecting goes on in the background, for as long as it takes; Health reports how
// far it is. The only errors are those of cfg. A nil log discards. The caller closes the connection.
func Open(cfg Config, log *slog.Logger) (*Conn, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("open NATS Streaming: %w", err)
	}
	monitor, err := NewMonitor(cfg.MonitorURL)
	if err != nil {
		return nil, fmt.Errorf("open NATS Streaming: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	ctx, stop := context.WithCancel(context.Background())
	c := &Conn{
		cfg:     cfg,
		log:     log.With("client", cfg.ClientID),
		Monitor: monitor,
		stop:    stop,
		done:    make(chan struct{}),
		members: make(map[*member]struct{}),
		health:  bus.Health{Reason: "not connected yet", Since: time.Now()},
		changed: make(chan struct{}),
	}
	go c.own(ctx)
	return c, nil
}

// Health implements bus.HealthReporter. A connection that died without a word is noticed after three ping intervals.
func (c *Conn) Health() bus.Health {
	c.mu.Lock()
	defer c.mu.Unlock()
	health := c.health
	health.Redelivered = c.redelivered.Load()
	return health
}

// Connected implements bus.Conn.
func (c *Conn) Connected(ctx context.Context) error {
	for {
		c.mu.Lock()
		closing, health, changed := c.closing, c.health, c.changed
		c.mu.Unlock()
		switch {
		case closing:
			return bus.ErrClosed
		case health.Connected:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %s: %w", bus.ErrUnavailable, health.Reason, ctx.Err())
		}
	}
}

// Publish implements bus.Publisher. While there is no connection it fails at once with
// bus.ErrUnavailable and what is missing. A payload beyond the broker's limit is refused before it is
// sent, with an error that is not bus.ErrUnavailable: a retry cannot help it.
func (c *Conn) Publish(ctx context.Context, channel string, data []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.PublishTimeout)
	defer cancel()
	answer := make(chan error, 1)
	c.Send(ctx, channel, data, func(err error) { answer <- err })
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-answer: // it was there when the time was over
		return err
	default:
		return notPublished(channel, ctx.Err())
	}
}

// Send implements bus.Sender, with the errors of Publish. At most publishWindow events are without an answer.
func (c *Conn) Send(ctx context.Context, channel string, data []byte, answered func(error)) {
	if err := stanlimits.CheckChannel(channel); err != nil {
		answered(err)
		return
	}
	s, err := c.current()
	if err != nil {
		answered(fmt.Errorf("publish to %s: %w", channel, err))
		return
	}
	s.publish(ctx, channel, data, answered)
}

// Close implements bus.Conn. It waits for every goroutine of the connection, and logs the totals of Health, which end
// with it. Publishes under way fail.
func (c *Conn) Close(ctx context.Context) error {
	members, err := c.beginClose()
	if err != nil {
		return err
	}
	var leaving sync.WaitGroup
	errs := make([]error, len(members))
	for i, m := range members {
		leaving.Go(func() { errs[i] = m.Close(ctx) })
	}
	leaving.Wait()
	c.stop()
	<-c.done // bounded by the time-outs of session
	c.Monitor.Close()
	last := c.Health()
	c.log.Info("left NATS Streaming", "reconnects", last.Reconnects, "redelivered", last.Redelivered)

	var failed []error
	for _, err := range errs {
		// A member may be closed by its owner at the same time.
		if err != nil && !errors.Is(err, bus.ErrClosed) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

func (c *Conn) beginClose() ([]*member, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return nil, bus.ErrClosed
	}
	c.closing = true
	c.broadcast()
	return slices.Collect(maps.Keys(c.members)), nil
}

// current returns the session there is now.
func (c *Conn) current() (*session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing:
		return nil, bus.ErrClosed
	case c.session == nil:
		return nil, fmt.Errorf("%w: %s", bus.ErrUnavailable, c.health.Reason)
	}
	return c.session, nil
}

// await returns a session, waiting for one until ctx ends.
func (c *Conn) await(ctx context.Context) (*session, error) {
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		s, err := c.current()
		if err == nil || errors.Is(err, bus.ErrClosed) {
			return s, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// broadcast wakes everyone who waits for a change. c.mu is held.
func (c *Conn) broadcast() {
	close(c.changed)
	c.changed = make(chan struct{})
}
