package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// sender asks one request and returns what came of it. It may be called concurrently.
type sender func(ctx context.Context, r request) answer

// openLoop sends what is due when it is due, whether or not earlier requests are answered, and returns when
// everything sent is answered. A request counts from when it was due, so also the time counts that this
// process was late in sending it. At most inFlight wait for their answers; what is due beyond that is
// dropped. It sends no more when ctx ends; what is sent is still waited for, so that what fails is the system's fault.
type openLoop struct {
	rate     float64
	inFlight int
	duration time.Duration
	random   *rand.Rand
	next     func(*rand.Rand) request
	send     sender
}

func (l openLoop) run(ctx context.Context, rec *recorder) {
	var sent sync.WaitGroup
	defer sent.Wait()
	places := make(chan struct{}, l.inFlight)
	due := newArrivals(l.random, l.rate)
	begin := time.Now()
	for {
		after, ok := due.take(l.duration)
		if !ok || !sleepUntil(ctx, begin.Add(after)) {
			return
		}
		r := l.next(l.random) // also for one that is dropped, so that the next ones stay the same
		select {
		case places <- struct{}{}:
		default:
			rec.drop()
			continue
		}
		rec.sent()
		sent.Go(func() {
			a := l.send(context.WithoutCancel(ctx), r)
			<-places
			rec.answered(a, time.Since(begin.Add(after)))
		})
	}
}

// sleepUntil returns false where ctx ends first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	wait := time.Until(t)
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
