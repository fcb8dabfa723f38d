package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
)

// Rebuild is how the last rebuild on this member went.
type Rebuild struct {
	// Running says that it goes on; else it has ended, at Ended, with Error or in success. Ended is Started and the
	// time that it took, never less: the clock may be set meanwhile.
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
// simply started again. Where the broker no longer has the whole history it ends with an error, unless
// anyway is set: then what history lacks is gone. ErrRebuilding where one was asked for and has not ended.
func (c *Consumer[T]) StartRebuild(anyway bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rebuilt.Running {
		return ErrRebuilding
	}
	c.rebuilt = Rebuild{Running: true, Started: c.replica.config.Now().UTC()}
	c.rebuilds <- anyway // has room: one at a time
	return nil
}

// Rebuild tells how the last rebuild that this member was asked for went. It may be called concurrently.
func (c *Consumer[T]) Rebuild() Rebuild {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rebuilt
}

// doRebuild rebuilds and keeps the result. Once the new generation is the present one it has to be completed: if that
// fails it returns the error, so that the turn ends and the next one begins with it.
func (c *Consumer[T]) doRebuild(ctx context.Context, anyway bool) error {
	number, changed, err := c.rebuildNext(ctx, anyway)
	c.mu.Lock()
	defer c.mu.Unlock()
	took := max(0, c.replica.config.Now().Sub(c.rebuilt.Started)) // by time.Now: whatever is done to the wall clock
	c.rebuilt.Running, c.rebuilt.Generation, c.rebuilt.Ended = false, number, c.rebuilt.Started.Add(took)
	if err == nil {
		c.log.Info("rebuilt", "kind", c.replica.kind.Name, "generation", number)
		return nil
	}
	c.rebuilt.Error = err.Error()
	c.log.Warn("rebuild not finished", "kind", c.replica.kind.Name, "generation", number, "changed", changed, "error", err)
	if changed {
		return err
	}
	return nil
}

// rebuildNext fills a generation that nothing was ever written to with history, makes it the present one for every
// member, and reads history once more: for what came between, and was acknowledged by members that still wrote to the
// old one (see follow). changed reports that it is the present one.
func (c *Consumer[T]) rebuildNext(ctx context.Context, anyway bool) (number int, changed bool, err error) {
	number, next, err := c.replica.reserve(ctx)
	if err != nil {
		return number, false, err
	}
	fill := c.fillWhole
	if anyway {
		fill = c.fill
	}
	if err := fill(ctx, next); err != nil {
		return number, false, err
	}
	if err := c.replica.makePresent(ctx, number); err != nil {
		return number, false, err
	}
	if _, err := c.replica.follow(ctx); err != nil {
		return number, true, err
	}
	return number, true, c.replayAll(ctx)
}

// reserve begins a generation of its own for a rebuild, and returns a replica on it, to be filled. It removes those
// that nobody reads.
func (r *Replica[T]) reserve(ctx context.Context) (number int, next *Replica[T], err error) {
	var before mark
	err = r.changeMark(ctx, func(m *mark) bool {
		before, number = *m, max(m.Generation, m.Reserved)+1
		m.Reserved = number
		return true
	})
	if err != nil {
		return number, nil, err
	}
	// What a rebuild compares, and what is removed here, goes by the present generation as the mark names it.
	if _, err := r.follow(ctx); err != nil {
		return number, nil, err
	}
	if err := r.dropUnread(ctx, before); err != nil {
		return number, nil, err
	}
	next, err = r.next(ctx, number)
	return number, next, err
}

// makePresent makes a generation that was filled the present one, unless another rebuild has begun since.
func (r *Replica[T]) makePresent(ctx context.Context, number int) error {
	changed := false
	err := r.changeMark(ctx, func(m *mark) bool {
		changed = m.Reserved == number
		if changed {
			m.Before, m.Generation, m.Since, m.Replayed = m.Generation, number, r.config.Now().UTC(), false
		}
		return changed
	})
	if err == nil && !changed {
		err = errors.New("another instance has begun a rebuild since")
	}
	return err
}

// fillWhole fills next with history and makes sure that history is whole: no entity may come to stand lower than it
// does now. What has happened during a fill is brought by another one.
func (c *Consumer[T]) fillWhole(ctx context.Context, next *Replica[T]) error {
	for _, subject := range c.replica.kind.Subjects {
		channel, err := c.bus.Channel(ctx, string(subject))
		if err != nil {
			return err
		}
		if channel.FirstSeq > 1 {
			return fmt.Errorf("the broker's history of %s begins at %d: %w", subject, channel.FirstSeq, errNotWhole)
		}
	}
	if err := c.fill(ctx, next); err != nil {
		return err
	}
	for after, done := event.ID(""), false; !done; {
		lower, following, err := c.replica.higherThan(ctx, next, after, c.config.MaxLower)
		if err != nil {
			return err
		}
		if len(lower) > 0 {
			if err := c.fill(ctx, next); err != nil {
				return err
			}
		}
		if err := c.replica.reached(ctx, next, lower); err != nil {
			return err
		}
		after, done = following, following == ""
	}
	return nil
}

// errNotWhole: a rebuild would take away what replicas have.
var errNotWhole = errors.New("the broker no longer has the whole history; `busctl verify --resync` mends replicas one by one, `busctl rebuild --anyway` goes on without it")

// reached returns errNotWhole if one of some entities stands lower in next than it should.
func (r *Replica[T]) reached(ctx context.Context, next *Replica[T], versions map[event.ID]event.Version) error {
	for id, version := range versions {
		if _, got, err := next.Get(ctx, id); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		} else if got < version {
			return fmt.Errorf("%s %s stands at %d and history ends at %d: %w", r.kind.Name, id, version, got, errNotWhole)
		}
	}
	return nil
}

// higherThan returns entities behind an id that stand higher here than in next, and the version they stand at: about
// as many as most, and where to go on, "" at the end.
func (r *Replica[T]) higherThan(ctx context.Context, next *Replica[T], after event.ID, most int) (map[event.ID]event.Version, event.ID, error) {
	const page = 500
	higher := map[event.ID]event.Version{}
	for {
		items, following, err := r.List(ctx, after, page)
		if err != nil {
			return nil, "", err
		}
		ids := make([]string, len(items))
		for i, item := range items {
			ids[i] = string(item.ID)
		}
		theirs, err := next.records().GetMany(ctx, ids)
		if err != nil {
			return nil, "", fmt.Errorf("compare generations of %s: %w", r.kind.Name, err)
		}
		for _, item := range items {
			if record, ok := theirs[string(item.ID)]; !ok || event.Version(record.Version) < item.Version {
				higher[item.ID] = item.Version
			}
		}
		if following == "" || len(higher) >= most {
			return higher, following, nil
		}
		after = following
	}
}

// fill replays history into a replica of its own, through lanes of its own, while the group goes on.
func (c *Consumer[T]) fill(ctx context.Context, next *Replica[T]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	into := c.startLanes(work, func(ctx context.Context, batch []*delivery[T]) {
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
