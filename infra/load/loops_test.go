package main

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func times(seed uint64, rate float64, end time.Duration) (due []time.Duration) {
	a := newArrivals(rand.New(rand.NewPCG(seed, 1)), rate)
	for at, ok := a.take(end); ok; at, ok = a.take(end) {
		due = append(due, at)
	}
	return due
}

func TestArrivalsAreThoseOfTheSeedAndHaveTheRate(t *testing.T) {
	const rate, seconds = 1000, 100
	first := times(1, rate, seconds*time.Second)
	if !slices.Equal(first, times(1, rate, seconds*time.Second)) {
		t.Error("the same seed gave other times")
	}
	if slices.Equal(first, times(2, rate, seconds*time.Second)) {
		t.Error("another seed gave the same times")
	}
	if !slices.IsSorted(first) || first[len(first)-1] >= seconds*time.Second {
		t.Error("the times are not in order, or beyond the end")
	}
	if got := float64(len(first)) / seconds; math.Abs(got-rate) > rate/50 {
		t.Errorf("the rate is %.1f, want %d", got, rate)
	}
	// of independent arrivals one in e comes later after the last one than the mean gap
	late := 0
	for i := range len(first) - 1 {
		if first[i+1]-first[i] > time.Second/rate {
			late++
		}
	}
	if share := float64(late) / float64(len(first)); math.Abs(share-1/math.E) > 0.02 {
		t.Errorf("%.3f of the gaps are above the mean, want 1/e", share)
	}
}

// stalled answers nothing for as long as the stall is, and everything at once after.
func stalled(stall time.Duration) sender {
	over := make(chan struct{})
	time.AfterFunc(stall, func() { close(over) })
	return func(context.Context, request) answer {
		<-over
		return expected
	}
}

func nothing(*rand.Rand) request { return request{} }

// The system stands still for the first half of the step. A client that waits for its answer before it asks
// again would have seen one slow answer; here everything that was due meanwhile is late.
func TestTheOpenLoopHidesNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stall = 500 * time.Millisecond
		rec := newRecorder()
		openLoop{rate: 1000, inFlight: 10_000, duration: 2 * stall, random: rand.New(rand.NewPCG(1, 1)), next: nothing, send: stalled(stall)}.
			run(t.Context(), rec)
		total := rec.total()
		// of all that was due, a quarter waited for more than half of the stall, another for up to half of it
		for percent, want := range map[float64]time.Duration{50: 0, 75: stall / 2, 99: stall * 49 / 50, 100: stall} {
			if got := total.percentile(percent); (got - want).Abs() > stall/20 {
				t.Errorf("p%v is %v, want about %v", percent, got, want)
			}
		}
		if total.Sent != total.Expected || total.Dropped != 0 {
			t.Errorf("counted %+v", total.counts)
		}
	})
}

func TestTheOpenLoopDropsWhatIsBeyondItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rec := newRecorder()
		openLoop{rate: 1000, inFlight: 10, duration: time.Second, random: rand.New(rand.NewPCG(1, 1)), next: nothing, send: stalled(2 * time.Second)}.
			run(t.Context(), rec)
		total := rec.total()
		if total.Sent != 10 || total.Expected != 10 || total.Dropped < 900 {
			t.Errorf("counted %+v", total.counts)
		}
	})
}

func TestALoopEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		rec := newRecorder()
		openLoop{rate: 100, inFlight: 10, duration: time.Hour, random: rand.New(rand.NewPCG(1, 1)), next: nothing, send: stalled(0)}.run(ctx, rec)
		closedLoop{rate: 100, clients: 2, duration: time.Hour, random: clientRandom, next: nothing, send: stalled(0)}.run(ctx, rec)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("ended after %v", took)
		}
	})
}

func clientRandom(client int) *rand.Rand { return rand.New(rand.NewPCG(1, uint64(client))) }

// One client asks each 10 ms and has to wait for a second once. With the rate known the histogram has the hundred
// requests that it would have made; without, it has the one that was slow.
func TestTheClosedLoopWithARateHidesNoStall(t *testing.T) {
	for name, c := range map[string]struct {
		rate float64
		slow bool
	}{"with a rate": {100, true}, "without": {0, false}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const stall = time.Second
				over := stalled(stall)
				instant := func(ctx context.Context, r request) answer {
					over(ctx, r)
					time.Sleep(10 * time.Microsecond)
					return expected
				}
				rec := newRecorder()
				closedLoop{rate: c.rate, clients: 1, duration: 2 * stall, random: clientRandom, next: nothing, send: instant}.
					run(t.Context(), rec)
				total := rec.total()
				if got := total.max(); got < stall*9/10 {
					t.Errorf("max is %v", got)
				}
				if got := total.percentile(75); (got > stall/4) != c.slow {
					t.Errorf("p75 is %v", got)
				}
			})
		})
	}
}

func TestALatencyBeyondTheLongestCountsAsThat(t *testing.T) {
	rec := newRecorder()
	rec.sent()
	rec.answered(wrong, 10*longest)
	if total := rec.total(); total.Wrong != 1 || total.max() < longest*99/100 {
		t.Errorf("%+v, max %v", total.counts, total.max())
	}
}
