package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"ticketing/pkg/bus"
)

// retryLook is how often it is looked which lanes' pauses are over, while there are any.
const retryLook = 25 * time.Millisecond

// publish sends the event that is next in one lane after the other and waits for no answer, until ctx ends. A
// lane is not ready again before its event is answered, which keeps the order. One that failed pauses, longer
// each time, and holds up no other. Of many lanes the first events go together (pace).
func (r *Relay) publish(ctx context.Context) {
	var look <-chan time.Time // nil while no lane fails
	var pace pace
	for {
		ready, turn := r.lanes.ready, (<-chan time.Time)(nil)
		if wait := pace.wait(time.Now(), len(ready)); wait > 0 {
			ready, turn = nil, time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case entity := <-ready:
			pace.sent()
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
		if err != nil {
			r.failed(entity, next, err)
			r.lanes.failed(entity, time.Now(), r.pause)
			return
		}
		r.succeeded(entity, next)
		r.lanes.published(entity, next.version)
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

// failed notes a failure and says so: aloud when it is the first of a row, else at debug.
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

// pause is how long an event that has failed that often in a row waits: longer each time, and never the same as
// others, which a broker that comes back would have to serve all at once.
func (r *Relay) pause(failures int) time.Duration {
	longest := min(r.config.MaxBackoff, 50*time.Millisecond<<min(failures-1, 16))
	return longest/2 + rand.N(longest/2+1)
}
