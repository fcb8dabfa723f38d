package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
	"ticketing/pkg/replica/internal/coverage"
	"ticketing/pkg/replica/internal/lanes"
	"ticketing/pkg/replica/internal/window"
)

// Rebuild is how the last rebuild on this member went.
type Rebuild struct {
	// Running reports that it goes on; else it has ended, at Ended, with Error or in success. Ended is Started and the
	// time that it took, never less: the clock may be set meanwhile.
	Running    bool      `json:"running"`
	Generation int       `json:"generation,omitempty"`
	Started    time.Time `json:"started,omitzero"`
	Ended      time.Time `json:"ended,omitzero"`
	Error      string    `json:"error,omitempty"`
}

// ErrRebuilding: a rebuild was asked for already.
var ErrRebuilding = errors.New("a rebuild is under way")

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
	look := time.NewTicker(finishEvery)
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

// finishEvery is how often a member looks for a rebuild that another one has left.
const finishEvery = 30 * time.Second

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

// replayAll reads history into the present generation and notes that it is complete. It goes on beside the group,
// which brings what is newer; versions make the overlap harmless. If another generation becomes the present one
// meanwhile, that one lacks what was replayed before; whoever rebuilt it reads history once more.
func (h *historian[T]) replayAll(ctx context.Context) error {
	began := h.replica.generations.Present()
	if err := h.replayInto(ctx, h.lanes); err != nil {
		return err
	}
	return h.replica.generations.SetReplayed(ctx, began.Number)
}

// replayInto reads every channel of the kind up to its last event of now, into the given lanes.
func (h *historian[T]) replayInto(ctx context.Context, into *lanes.Lanes[*delivery[T]]) error {
	for _, subject := range h.replica.kind.Subjects {
		err := h.replay(ctx, subject, into)
		for errors.Is(err, errOtherHistory) {
			h.log.Warn("the broker has another history than before; replaying that", "subject", string(subject))
			err = h.replay(ctx, subject, into)
		}
		if err != nil {
			return fmt.Errorf("replay %s: %w", subject, err)
		}
	}
	return nil
}

// errOtherHistory: the channel ends before where it ended when the replay began. The broker's disk is new.
var errOtherHistory = errors.New("the channel has lost its end")

// replay reads one channel from its first event to its last, and returns once each of them is settled or gone at the
// broker. An event that is sent and not settled comes again after AckWait, whatever the reason.
func (h *historian[T]) replay(ctx context.Context, subject event.Subject, into *lanes.Lanes[*delivery[T]]) error {
	channel, err := h.bus.Channel(ctx, string(subject))
	if err != nil || channel.LastSeq == 0 || channel.FirstSeq > channel.LastSeq { // nothing, or nothing any more
		return err
	}
	h.log.Info("replaying history", "subject", string(subject), "from", channel.FirstSeq, "to", channel.LastSeq)
	progress := newProgress(channel.FirstSeq, channel.LastSeq)
	take := h.replica.handler(subject, into)
	member, err := h.bus.Subscribe(ctx, bus.Subscription{
		Channel: string(subject), Start: bus.FromOldest, AckWait: h.config.AckWait, MaxInflight: h.replayInflight(channel),
	}, func(ctx context.Context, m bus.Message, settle bus.Settle) {
		if m.Sequence > channel.LastSeq {
			settle(nil) // newer than the replay: the group brings it
			return
		}
		take(ctx, m, func(err error) {
			settle(err)
			if err == nil {
				progress.settle(m.Sequence)
			}
		})
	})
	if err != nil {
		return err
	}
	defer leave(ctx, h.config.AckWait, subject, member, h.log)
	return h.awaitReplay(ctx, channel, progress)
}

// replayInflight is how many events of a channel a replay holds at once: no more than the lanes have room for by their
// mean size, because what waits in the client beyond that is dropped, and comes again only after AckWait.
func (h *historian[T]) replayInflight(channel bus.Channel) int {
	mean := max(channel.Bytes/max(channel.Messages, 1), 1)
	fits := min(uint64(h.config.MaxHeldBytes)/mean, uint64(h.config.MaxInflight))
	return max(int(fits), min(window.Least, h.config.MaxInflight))
}

// awaitReplay waits until the replay is complete. It watches both ends of the channel meanwhile, because the broker
// may remove events before they are sent.
func (h *historian[T]) awaitReplay(ctx context.Context, begun bus.Channel, progress *progress) error {
	look := time.NewTicker(h.config.LookEvery)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-progress.complete:
			return nil
		case <-look.C:
		}
		channel, err := h.bus.Channel(ctx, begun.Name)
		if err != nil {
			h.log.Debug("the end of a replay cannot be watched", "subject", begun.Name, "error", err)
			continue
		}
		if channel.LastSeq < begun.LastSeq {
			return errOtherHistory
		}
		progress.gone(channel.FirstSeq)
	}
}

// progress is a coverage that several goroutines count in. complete is closed once nothing is missing.
type progress struct {
	complete chan struct{}

	mu      sync.Mutex
	covered *coverage.Coverage
}

func newProgress(first, last uint64) *progress {
	return &progress{complete: make(chan struct{}), covered: coverage.New(first, last)}
}

func (p *progress) settle(sequence uint64) {
	p.count(func(c *coverage.Coverage) { c.Settle(sequence) })
}

func (p *progress) gone(first uint64) {
	p.count(func(c *coverage.Coverage) { c.Gone(first) })
}

func (p *progress) count(change func(*coverage.Coverage)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	before := p.covered.Complete()
	change(p.covered)
	if !before && p.covered.Complete() {
		close(p.complete)
	}
}
