package replica

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"ticketing/pkg/replica/internal/lanes"
)

// historian makes sure that the present generation has the whole of history: it replays what the store lacks, finishes
// what others have left, and rebuilds when it is asked to. It goes on beside the group's own work.
type historian[T any] struct {
	replica  *Replica[T]
	bus      Bus
	config   ConsumerConfig
	log      *slog.Logger
	lanes    *lanes.Lanes[*delivery[T]] // of the group, which a replay into the present generation shares
	bound    func() int                 // of a batch
	setState func(error)                // what readiness waits for
	asked    chan bool                  // a rebuild that was asked for, and whether anyway

	mu   sync.Mutex
	last Rebuild
}

// keep replays history if it is needed, and then does what it is asked to, until ctx ends. It begins when the member
// has joined its group, so that what is published from then on comes by the group.
func (h *historian[T]) keep(ctx context.Context, joined <-chan struct{}, replay bool) error {
	select {
	case <-joined:
	case <-ctx.Done():
		return nil
	}
	if replay {
		h.setState(errors.New("replaying history"))
		if err := h.replayAll(ctx); err != nil {
			return err
		}
	}
	h.setState(nil)
	h.log.Info("consumer joined", "kind", h.replica.kind.Name, "group", h.config.Group)
	look := time.NewTicker(auditEvery)
	defer look.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case anyway := <-h.asked:
			err = h.rebuild(ctx, anyway)
		case <-look.C:
			err = h.finish(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// startLanes starts lanes as the member is configured.
func (h *historian[T]) startLanes(ctx context.Context, handle func(context.Context, []*delivery[T])) *lanes.Lanes[*delivery[T]] {
	return lanes.Start(ctx, lanes.Config{Lanes: h.config.Lanes, MaxBytes: h.config.MaxHeldBytes, Bound: h.bound}, handle)
}

// finish reads history into a generation that is not complete, because the member that made it the present one has
// died before it was done.
func (h *historian[T]) finish(ctx context.Context) error {
	m, err := h.replica.generations.Read(ctx)
	if err != nil || m.Replayed {
		return nil // a store that is away ends the turn when events come
	}
	h.log.Warn("finishing a rebuild that another instance left", "kind", h.replica.kind.Name, "generation", m.Generation)
	return h.replayAll(ctx)
}

// ask asks for a rebuild. ErrRebuilding if one was asked for and has not ended.
func (h *historian[T]) ask(anyway bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last.Running {
		return ErrRebuilding
	}
	h.last = Rebuild{Running: true, Started: h.replica.config.Now().UTC()}
	h.asked <- anyway // has room: one at a time
	return nil
}

func (h *historian[T]) lastRebuild() Rebuild {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last
}
