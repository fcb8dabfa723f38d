package replica

import (
	"context"
	"errors"
	"fmt"

	"ticketing/pkg/event"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
)

// rebuild rebuilds and keeps the result. Once the new generation is the present one it has to be completed: if that
// fails it returns the error, so that the turn ends and the next one begins with it.
func (h *historian[T]) rebuild(ctx context.Context, anyway bool) error {
	number, changed, err := h.rebuildNext(ctx, anyway)
	h.mu.Lock()
	defer h.mu.Unlock()
	took := max(0, h.replica.config.Now().Sub(h.last.Started)) // by time.Now: whatever is done to the wall clock
	h.last.Running, h.last.Generation, h.last.Ended = false, number, h.last.Started.Add(took)
	if err == nil {
		h.log.Info("rebuilt", "kind", h.replica.kind.Name, "generation", number)
		return nil
	}
	h.last.Error = err.Error()
	h.log.Warn("rebuild not finished", "kind", h.replica.kind.Name, "generation", number, "changed", changed, "error", err)
	if changed {
		return err
	}
	return nil
}

// rebuildNext fills a generation that nothing was ever written to with history, makes it the present one for every
// member, and reads history once more: for what came between, and was acknowledged by members that still wrote to the
// old one (see generation.Generations.Follow). changed reports that it is the present one.
func (h *historian[T]) rebuildNext(ctx context.Context, anyway bool) (number int, changed bool, err error) {
	next, err := h.replica.generations.Reserve(ctx)
	if err != nil {
		return 0, false, err
	}
	number = next.Number
	fill := h.fillWhole
	if anyway {
		fill = h.fill
	}
	if err := fill(ctx, next); err != nil {
		return number, false, err
	}
	if err := h.replica.generations.MakePresent(ctx, number); err != nil {
		return number, false, err
	}
	if _, err := h.replica.generations.Follow(ctx); err != nil {
		return number, true, err
	}
	return number, true, h.replayAll(ctx)
}

// fillWhole fills next with history and makes sure that history is whole: no entity may come to stand lower than it
// does now. What has happened during a fill is brought by another one.
func (h *historian[T]) fillWhole(ctx context.Context, next *generation.Generation) error {
	for _, subject := range h.replica.kind.Subjects {
		channel, err := h.bus.Channel(ctx, string(subject))
		if err != nil {
			return err
		}
		if channel.FirstSeq > 1 {
			return fmt.Errorf("the broker's history of %s begins at %d: %w", subject, channel.FirstSeq, errNotWhole)
		}
	}
	if err := h.fill(ctx, next); err != nil {
		return err
	}
	for after, done := event.ID(""), false; !done; {
		lower, following, err := h.higherThan(ctx, next, after, h.config.MaxLower)
		if err != nil {
			return err
		}
		if len(lower) > 0 {
			if err := h.fill(ctx, next); err != nil {
				return err
			}
		}
		if err := h.reached(ctx, next, lower); err != nil {
			return err
		}
		after, done = following, following == ""
	}
	return nil
}

// errNotWhole: a rebuild would take away what replicas have.
var errNotWhole = errors.New("the broker no longer has the whole history; `busctl verify --resync` mends replicas one by one, `busctl rebuild --anyway` goes on without it")

// reached returns errNotWhole if one of some entities stands lower in next than it should.
func (h *historian[T]) reached(ctx context.Context, next *generation.Generation, versions map[event.ID]event.Version) error {
	for id, version := range versions {
		record, err := next.Records.Get(ctx, string(id))
		if errors.Is(err, store.ErrNotFound) {
			record.Version, err = int64(event.None), nil
		}
		if err != nil {
			return err
		}
		if got := event.Version(record.Version); got < version {
			return fmt.Errorf("%s %s stands at %d and history ends at %d: %w", h.replica.kind.Name, id, version, got, errNotWhole)
		}
	}
	return nil
}

// higherThan returns entities behind an id that stand higher here than in next, and the version they stand at: about
// as many as most, and where to go on, "" at the end.
func (h *historian[T]) higherThan(ctx context.Context, next *generation.Generation, after event.ID, most int) (map[event.ID]event.Version, event.ID, error) {
	page := min(500, most)
	higher := map[event.ID]event.Version{}
	for {
		items, following, err := h.replica.List(ctx, after, page)
		if err != nil {
			return nil, "", err
		}
		ids := make([]string, len(items))
		for i, item := range items {
			ids[i] = string(item.ID)
		}
		theirs, err := next.Records.GetMany(ctx, ids)
		if err != nil {
			return nil, "", fmt.Errorf("compare generations of %s: %w", h.replica.kind.Name, err)
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
func (h *historian[T]) fill(ctx context.Context, next *generation.Generation) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	into := h.startLanes(work, func(ctx context.Context, batch []*delivery[T]) {
		if err := h.replica.handleIn(ctx, next, batch); err != nil {
			cancel(err)
		}
	})
	defer func() {
		stop()
		into.Wait()
	}()
	if err := h.replayInto(ctx, into); err != nil {
		return errors.Join(context.Cause(ctx), err)
	}
	return nil
}
