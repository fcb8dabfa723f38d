package ratelimit_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/pkg/ratelimit"
)

// clock is a time that stands still until it is told to go on.
type clock struct{ at time.Time }

func newClock() *clock                   { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }
func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func newLimiter(t *testing.T, r ratelimit.Rate, size int, now func() time.Time) *ratelimit.Limiter {
	t.Helper()
	limiter, err := ratelimit.New(r, size, now)
	if err != nil {
		t.Fatal(err)
	}
	return limiter
}

// allowed counts how many of n tries go through.
func allowed(l *ratelimit.Limiter, key string, n int) (through int) {
	for range n {
		if _, ok := l.Allow(key); ok {
			through++
		}
	}
	return through
}

func TestABucketEmptiesAndFillsUpAgain(t *testing.T) {
	// Given ten tries a minute,
	clock := newClock()
	limiter := newLimiter(t, ratelimit.Rate{Tries: 10, Per: time.Minute}, 100, clock.now)
	// when somebody tries twenty times at once, then ten go through,
	if got := allowed(limiter, "ann", 20); got != 10 {
		t.Errorf("%d tries at once, want 10", got)
	}
	// and the next has to wait for a tenth of a minute, however often it is asked for;
	if wait, ok := limiter.Allow("ann"); ok || wait != 6*time.Second {
		t.Errorf("Allow = %v, %v, want 6s, false", wait, ok)
	}
	// somebody else has tries of their own.
	if _, ok := limiter.Allow("bob"); !ok {
		t.Error("bob has to wait for ann")
	}
	// When the wait is over, then one more goes through,
	clock.advance(6 * time.Second)
	if got := allowed(limiter, "ann", 20); got != 1 {
		t.Errorf("%d tries after the wait, want 1", got)
	}
	// and after a long time no more than at first.
	clock.advance(time.Hour)
	if got := allowed(limiter, "ann", 20); got != 10 {
		t.Errorf("%d tries after an hour, want 10", got)
	}
}

func TestAClockThatIsSetBack(t *testing.T) {
	// Given somebody who has no try left, and a clock that is set back an hour,
	clock := newClock()
	limiter := newLimiter(t, ratelimit.Rate{Tries: 10, Per: time.Minute}, 100, clock.now)
	allowed(limiter, "ann", 10)
	clock.advance(-time.Hour)
	// then the wait is that of a clock that stood still, not an hour longer,
	if wait, ok := limiter.Allow("ann"); ok || wait != 6*time.Second {
		t.Errorf("Allow = %v, %v, want 6s, false", wait, ok)
	}
	// and ends.
	clock.advance(6 * time.Second)
	if got := allowed(limiter, "ann", 20); got != 1 {
		t.Errorf("%d tries after the wait, want 1", got)
	}
}

func TestOffLetsEverythingThrough(t *testing.T) {
	limiter := newLimiter(t, ratelimit.Rate{Off: true}, 1, newClock().now)
	if got := allowed(limiter, "ann", 1000); got != 1000 {
		t.Errorf("%d of 1000 went through", got)
	}
}

func TestOnlyTheKeysUsedLastAreRemembered(t *testing.T) {
	// Given a memory for two,
	limiter := newLimiter(t, ratelimit.Rate{Tries: 1, Per: time.Hour}, 2, newClock().now)
	allowed(limiter, "ann", 1)
	allowed(limiter, "bob", 1)
	// when a third comes after ann was seen again,
	allowed(limiter, "ann", 1)
	allowed(limiter, "cid", 1)
	// then ann is still known and bob is not.
	if got := allowed(limiter, "ann", 1); got != 0 {
		t.Error("ann was forgotten")
	}
	if got := allowed(limiter, "bob", 1); got != 1 {
		t.Error("bob is known: there is no bound")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	const size = 1000
	limiter := newLimiter(t, ratelimit.Rate{Tries: 1, Per: time.Hour}, size, newClock().now)
	for i := range 100 * size {
		limiter.Allow(strconv.Itoa(i))
	}
	if got := ratelimit.Remembered(limiter); got != size {
		t.Errorf("%d keys are remembered, want %d", got, size)
	}
}

func TestManyAtOnceGetNoMoreThanOneAfterTheOther(t *testing.T) {
	limiter := newLimiter(t, ratelimit.Rate{Tries: 50, Per: time.Hour}, 10, newClock().now)
	var through atomic.Int64
	var trying sync.WaitGroup
	for range 32 {
		trying.Go(func() { through.Add(int64(allowed(limiter, "ann", 10))) })
	}
	trying.Wait()
	if through.Load() != 50 {
		t.Errorf("%d of 320 went through, want 50", through.Load())
	}
}

func TestNewChecksItsSize(t *testing.T) {
	if _, err := ratelimit.New(ratelimit.Rate{Tries: 1, Per: time.Second}, 0, time.Now); err == nil {
		t.Error("a limiter that remembers nobody was made")
	}
}
