package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/outbox/internal/pace"
)

// retryLook is the interval between two checks for lanes whose pause is over, while any lane pauses.
const retryLook = 25 * time.Millisecond

// publish sends the next event of one lane after another until ctx ends. It waits for no answer. A lane is not ready
// again before its event is answered, which keeps the order. A lane that failed pauses, longer each time, and holds
// up no other. The first events of many lanes go together (pace).
func (r *Relay) publish(ctx context.Context) {
	var look <-chan time.Time // nil while no lane pauses
	var pace pace.Pace
	for {
		ready, turn := r.lanes.ready, (<-chan time.Time)(nil)
		if wait := pace.Wait(time.Now(), len(ready)); wait > 0 {
			ready, turn = nil, time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case entity := <-ready:
			pace.Sent()
			r.send(ctx, entity)
			continue
		case entity := <-r.lanes.behind:
			r.send(ctx, entity)
			continue
		case <-turn:
			continue
		case <-r.lanes.stuck:
			if look != nil {
				continue
			}
		case now := <-look:
			if look = nil; !r.lanes.retry(now) {
				continue
			}
		}
		look = time.After(min(retryLook, r.config.MaxBackoff))
	}
}

func (r *Relay) send(ctx context.Context, entity *lane) {
	next := r.lanes.next(entity)
	r.bus.Send(ctx, next.event.Channel, next.event.Data, func(err error) {
		switch {
		case err == nil:
			r.succeeded(entity, next)
			r.lanes.published(entity, next.version)
		case errors.Is(err, bus.ErrChannel): // no retry can help it, so it must not keep others out of memory
			r.failed(entity, next, err)
			r.lanes.refused(entity, next.version)
		default:
			r.failed(entity, next, err)
			r.lanes.failed(entity, time.Now(), r.pause)
		}
	})
}

func (r *Relay) succeeded(entity *lane, next waitingEvent) {
	r.mu.Lock()
	failures := r.status.Failures
	r.status = Status{}
	r.mu.Unlock()
	if failures > 0 {
		r.log.Info("publishing again", "failures", failures)
	}
	r.say(slog.LevelDebug, "published", entity, next)
}

// failed records a failure and logs it: the first of a row as a warning, later ones at debug level.
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
	r.say(level, "not published; the event stays in the outbox", entity, next, slog.Any("error", err))
}

func (r *Relay) say(level slog.Level, what string, entity *lane, next waitingEvent, more ...slog.Attr) {
	ctx := context.Background()
	if !r.log.Enabled(ctx, level) {
		return
	}
	r.log.LogAttrs(ctx, level, what, append([]slog.Attr{slog.String("subject", next.event.Channel),
		slog.String("id", entity.id), slog.Int64("version", next.version)}, more...)...)
}

// pause returns how long an event waits after so many failures in a row: longer each time, and at random, so that a
// broker that comes back does not get everything at once.
func (r *Relay) pause(failures int) time.Duration {
	longest := min(r.config.MaxBackoff, 50*time.Millisecond<<min(failures-1, 16))
	return longest/2 + rand.N(longest/2+1)
}
