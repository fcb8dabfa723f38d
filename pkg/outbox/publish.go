package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"ticketing/pkg/bus"
)

// publish sends the event that is next in one lane after the other and waits for no answer, until ctx ends. A
// lane is not ready again before its event is answered, which keeps the order. Those that failed are tried again
// together, after a pause that grows while nothing succeeds.
func (r *Relay) publish(ctx context.Context, sent chan<- published) {
	var retry <-chan time.Time // nil while no lane has failed
	for {
		select {
		case <-ctx.Done():
			return
		case entity := <-r.lanes.ready:
			r.send(ctx, entity, sent)
		case <-r.lanes.stuck:
			if retry == nil {
				retry = time.After(r.pause())
			}
		case <-retry:
			retry = nil
			r.lanes.retry()
		}
	}
}

func (r *Relay) send(ctx context.Context, entity *lane, sent chan<- published) {
	next := r.lanes.next(entity)
	r.bus.Send(ctx, next.event.Channel, next.event.Data, func(err error) {
		if err != nil {
			r.failed(entity, next, err)
			r.lanes.failed(entity)
			return
		}
		r.succeeded(entity, next)
		more := r.lanes.published(entity, next.version)
		sent <- published{entity.id, next.version, more}
	})
}

func (r *Relay) succeeded(entity *lane, next waitingEvent) {
	r.mu.Lock()
	failures := r.status.Failures
	r.status, r.pauses = Status{}, 0
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

// pause is how long to wait before what failed is tried again: longer with each pause since the last success, and
// never the same as other processes, which a broker that comes back would have to serve all at once.
func (r *Relay) pause() time.Duration {
	r.mu.Lock()
	longest := min(r.config.MaxBackoff, 50*time.Millisecond<<min(r.pauses, 16))
	r.pauses++
	r.mu.Unlock()
	return longest/2 + rand.N(longest/2+1)
}
