package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/store"
)

// Rebuild is how the last rebuild on this member went.
type Rebuild struct {
	// Running says that it goes on; else it has ended, at Ended, with Error or in success.
	Running    bool      `json:"running"`
	Generation int       `json:"generation,omitempty"`
	Started    time.Time `json:"started,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
	Error      string    `json:"error,omitempty"`
}

// ErrRebuilding: a rebuild was asked for already.
var ErrRebuilding = errors.New("a rebuild is under way")

// StartRebuild asks for all replicas of the kind to be made anew from the events that the broker has.
// Readers are served throughout, from the present generation and then from the new one. It returns at
// once; Rebuild tells how it goes. A rebuild that a crash or a lost store ended, at whatever point, is
// simply started again. ErrRebuilding where one was asked for and has not ended.
func (c *Consumer[T]) StartRebuild() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rebuilt.Running {
		return ErrRebuilding
	}
	c.rebuilt = Rebuild{Running: true, Started: c.replica.config.Now().UTC()}
	c.rebuilds <- struct{}{} // has room: one at a time
	return nil
}

// Rebuild tells how the last rebuild that this member was asked for went. It may be called concurrently.
func (c *Consumer[T]) Rebuild() Rebuild {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rebuilt
}

// doRebuild fills the next generation with history, makes it the present one for every member, and reads
// history once more: for what came between, and was acknowledged by members that still wrote to the old
// one (see follow).
func (c *Consumer[T]) doRebuild(ctx context.Context) {
	number, err := c.rebuildNext(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rebuilt.Running, c.rebuilt.Generation, c.rebuilt.Ended = false, number, c.replica.config.Now().UTC()
	if err != nil {
		c.rebuilt.Error = err.Error()
		c.log.Warn("rebuild not finished; start it again", "kind", c.replica.kind.Name, "error", err)
		return
	}
	c.log.Info("rebuilt", "kind", c.replica.kind.Name, "generation", number)
}

func (c *Consumer[T]) rebuildNext(ctx context.Context) (number int, err error) {
	m, revision, err := c.replica.readMark(ctx)
	if err != nil {
		return 0, err
	}
	number = m.Generation + 1
	next, err := c.replica.next(ctx, number)
	if err != nil {
		return number, err
	}
	if err := c.fill(ctx, next); err != nil {
		return number, err
	}
	m.Generation, m.Replayed = number, false
	if err := c.replica.writeMark(ctx, m, revision); err != nil {
		if errors.Is(err, store.ErrConflict) {
			err = fmt.Errorf("another member has rebuilt at the same time: %w", err)
		}
		return number, err
	}
	if _, err := c.replica.follow(ctx); err != nil {
		return number, err
	}
	return number, c.replayAll(ctx)
}

// fill replays history into a replica of its own, through lanes of its own, while the group goes on.
func (c *Consumer[T]) fill(ctx context.Context, next *Replica[T]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	into := startLanes(work, c.config.Lanes, func(ctx context.Context, batch []*delivery[T]) {
		if err := next.handle(ctx, batch); err != nil {
			cancel(err)
		}
	})
	defer func() {
		stop()
		into.wait()
	}()
	if err := c.replayInto(ctx, into); err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return nil
}
