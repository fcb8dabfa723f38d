// Package ratelimit says who has tried too often. Every key, an address or an account, has a bucket of tries
// that fills up again steadily:
//
//	Allow(key) ──> bucket of key ──> a try is left ──> ok
//	                  │         └──> none is left ───> how long until there is one
//	                  └── the keys used last, at most size of them; who is forgotten starts with a full one
//
// The buckets are those of golang.org/x/time/rate. The counts are this process's own: several replicas
// behind one gateway let through that many times as much.
package ratelimit

import (
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

// Limiter counts the tries of many keys. It may be used concurrently.
type Limiter struct {
	rate Rate
	now  func() time.Time

	mu      sync.Mutex
	buckets *simplelru.LRU[string, *rate.Limiter]
}

// New returns a Limiter that gives each key r. It remembers the size keys that were used last; size must be
// positive, and is best larger than the number of keys that can be tried while a bucket fills up, as a key that
// is forgotten starts anew.
func New(r Rate, size int, now func() time.Time) (*Limiter, error) {
	buckets, err := simplelru.NewLRU[string, *rate.Limiter](size, nil)
	if err != nil {
		return nil, fmt.Errorf("limit the rate of %d keys: %w", size, err)
	}
	return &Limiter{rate: r, now: now, buckets: buckets}, nil
}

// Allow takes a try of key. Where none is left, ok is false and wait is how long until there is one; asking
// does not make that later.
func (l *Limiter) Allow(key string) (wait time.Duration, ok bool) {
	if l.rate.Off {
		return 0, true
	}
	now := l.now()
	try := l.bucket(key).ReserveN(now, 1)
	if wait = try.DelayFrom(now); wait > 0 {
		try.CancelAt(now)
		return wait, false
	}
	return 0, true
}

func (l *Limiter) bucket(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if bucket, known := l.buckets.Get(key); known {
		return bucket
	}
	bucket := rate.NewLimiter(rate.Every(l.rate.Per/time.Duration(l.rate.Tries)), l.rate.Tries)
	l.buckets.Add(key, bucket)
	return bucket
}
