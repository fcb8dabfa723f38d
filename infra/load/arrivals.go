package main

import (
	"math/rand/v2"
	"time"
)

// arrivals is when requests are due, as many independent people make them: a Poisson process of a rate. The
// same seed gives the same times.
type arrivals struct {
	random *rand.Rand
	rate   float64 // per second
	next   time.Duration
}

func newArrivals(random *rand.Rand, rate float64) *arrivals {
	a := &arrivals{random: random, rate: rate}
	a.advance()
	return a
}

// take returns when the next request is due, counted from the beginning of the step; ok is false where that
// is not before end.
func (a *arrivals) take(end time.Duration) (due time.Duration, ok bool) {
	if a.next >= end {
		return 0, false
	}
	due = a.next
	a.advance()
	return due, true
}

func (a *arrivals) advance() {
	a.next += time.Duration(a.random.ExpFloat64() / a.rate * float64(time.Second))
}
