package pace

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// goes returns when an event goes that asks first at now; ready tells how many could go.
func goes(p *Pace, now time.Time, ready func(time.Time) int) time.Time {
	for {
		wait := p.Wait(now, ready(now))
		if wait == 0 {
			p.Sent()
			return now
		}
		now = now.Add(wait)
	}
}

func constantly(ready int) func(time.Time) int { return func(time.Time) int { return ready } }

func TestAFewEventsDoNotWait(t *testing.T) {
	var p Pace
	for i := range Few {
		if at := goes(&p, noon(), constantly(1)); at != noon() {
			t.Fatalf("event %d of a Stretch waits for %v", i+1, at.Sub(noon()))
		}
	}
	if at := goes(&p, noon().Add(Stretch/5), constantly(2)); at != noon().Add(Stretch) {
		t.Errorf("one more goes %v after the first, want at the end of the stretch, %v", at.Sub(noon()), Stretch)
	}
}

func TestWhatIsReadyGoesTogether(t *testing.T) {
	const ready = 10 * Few
	var p Pace
	for i := range ready {
		if at := goes(&p, noon(), constantly(ready-i)); at != noon() {
			t.Fatalf("event %d of %d that were ready waits for %v", i+1, ready, at.Sub(noon()))
		}
	}
	if at := goes(&p, noon(), constantly(1)); at != noon().Add(Stretch) {
		t.Errorf("one that came later waits for %v, want %v", at.Sub(noon()), Stretch)
	}
}

func TestManyWaitForNoMore(t *testing.T) {
	var p Pace
	for range Few {
		goes(&p, noon(), constantly(1))
	}
	full := noon().Add(Stretch / 2)
	at := goes(&p, noon(), func(now time.Time) int {
		if now.Before(full) {
			return many - 1
		}
		return many
	})
	if at.Before(full) || at.Sub(full) > look {
		t.Errorf("many go %v after they were many, want within %v", at.Sub(full), look)
	}
	for i := range many {
		if next := goes(&p, at, constantly(many-i)); next != at {
			t.Fatalf("event %d of many waits for %v", i+1, next.Sub(at))
		}
	}
}

// Whenever events come, each goes before it has waited for longer than a stretch, and one before which few came
// within two stretches does not wait at all.
func TestNothingWaitsForLongerThanAStretch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		gaps := rapid.SliceOfN(rapid.IntRange(0, int(Stretch)/4), 1, 400).Draw(t, "nanoseconds between events")
		var came []time.Time
		at := noon()
		for _, gap := range gaps {
			at = at.Add(time.Duration(gap))
			came = append(came, at)
		}
		var p Pace
		clock := noon()
		for i, at := range came {
			if clock.Before(at) {
				clock = at
			}
			asked := clock
			clock = goes(&p, clock, func(now time.Time) int {
				ready := 1
				for i+ready < len(came) && !came[i+ready].After(now) {
					ready++
				}
				return ready
			})
			if waited := clock.Sub(at); waited > Stretch {
				t.Fatalf("event %d waits for %v", i, waited)
			}
			if alone := i < Few || at.Sub(came[i-Few]) > 2*Stretch; alone && clock != asked {
				t.Fatalf("event %d waits for %v, of %d or fewer in two stretches", i, clock.Sub(asked), Few)
			}
		}
	})
}
