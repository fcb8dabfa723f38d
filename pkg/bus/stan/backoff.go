package stan

import (
	"context"
	"time"
)

const (
	backoffFirst = 100 * time.Millisecond
	backoffMost  = 5 * time.Second
)

// backoff is how long to wait after the given number of failures in a row, from 1: doubling up to
// backoffMost, of which between half and all is taken, so that the clients of a broker that comes
// back do not all come at once. spread is a random number in [0, 1).
func backoff(failures int, spread float64) time.Duration {
	wait := backoffFirst
	for i := 1; i < failures && wait < backoffMost; i++ {
		wait *= 2
	}
	wait = min(wait, backoffMost)
	return wait/2 + time.Duration(spread*float64(wait/2))
}

// pause waits for d or until ctx ends or stop is closed.
func pause(ctx context.Context, stop <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stop:
	case <-ctx.Done():
	}
}
