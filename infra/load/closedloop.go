package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// closedLoop is clients that each wait for an answer before they ask again. With a rate each asks once per
// interval; one that is kept waiting for longer asks at once, and the recorder adds the requests that it
// would have made meanwhile. Without a rate nothing is added: then latency is what a client sees, not what
// somebody who comes at any time would.
type closedLoop struct {
	rate     float64 // of all clients together; 0 for as fast as it goes
	clients  int
	duration time.Duration
	random   func(client int) *rand.Rand
	next     func(*rand.Rand) request
	send     sender
}

// interval is how often one client asks; 0 for as fast as it goes.
func (l closedLoop) interval() time.Duration {
	if l.rate == 0 {
		return 0
	}
	return time.Duration(float64(l.clients) / l.rate * float64(time.Second))
}

// run returns when the last answer is there, or early with ctx.
func (l closedLoop) run(ctx context.Context, rec *recorder) {
	end := time.Now().Add(l.duration)
	var running sync.WaitGroup
	for c := range l.clients {
		running.Go(func() { l.runClient(ctx, rec, l.random(c), end) })
	}
	running.Wait()
}

func (l closedLoop) runClient(ctx context.Context, rec *recorder, random *rand.Rand, end time.Time) {
	interval := l.interval()
	// the clients do not march in step
	due := time.Now().Add(time.Duration(random.Float64() * float64(interval)))
	for due.Before(end) && sleepUntil(ctx, due) {
		r := l.next(random)
		rec.sent()
		began := time.Now()
		a := l.send(context.WithoutCancel(ctx), r)
		rec.answeredPaced(a, time.Since(began), interval)
		due = due.Add(interval)
		if now := time.Now(); due.Before(now) {
			due = now
		}
	}
}
