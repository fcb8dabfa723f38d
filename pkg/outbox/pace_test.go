package outbox

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"ticketing/pkg/store"
)

func noon() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC) }

// goes returns when an event goes that asks first at now; ready tells how many could go.
func goes(p *pace, now time.Time, ready func(time.Time) int) time.Time {
	for {
		wait := p.wait(now, ready(now))
		if wait == 0 {
			p.sent()
			return now
		}
		now = now.Add(wait)
	}
}

func constantly(ready int) func(time.Time) int { return func(time.Time) int { return ready } }

func TestAFewEventsDoNotWait(t *testing.T) {
	var p pace
	for i := range few {
		if at := goes(&p, noon(), constantly(1)); at != noon() {
			t.Fatalf("event %d of a stretch waits for %v", i+1, at.Sub(noon()))
		}
	}
	if at := goes(&p, noon().Add(stretch/5), constantly(2)); at != noon().Add(stretch) {
		t.Errorf("one more goes %v after the first, want at the end of the stretch, %v", at.Sub(noon()), stretch)
	}
}

func TestWhatIsReadyGoesTogether(t *testing.T) {
	const ready = 10 * few
	var p pace
	for i := range ready {
		if at := goes(&p, noon(), constantly(ready-i)); at != noon() {
			t.Fatalf("event %d of %d that were ready waits for %v", i+1, ready, at.Sub(noon()))
		}
	}
	if at := goes(&p, noon(), constantly(1)); at != noon().Add(stretch) {
		t.Errorf("one that came later waits for %v, want %v", at.Sub(noon()), stretch)
	}
}

func TestManyWaitForNoMore(t *testing.T) {
	var p pace
	for range few {
		goes(&p, noon(), constantly(1))
	}
	full := noon().Add(stretch / 2)
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
		gaps := rapid.SliceOfN(rapid.IntRange(0, int(stretch)/4), 1, 400).Draw(t, "nanoseconds between events")
		var came []time.Time
		at := noon()
		for _, gap := range gaps {
			at = at.Add(time.Duration(gap))
			came = append(came, at)
		}
		var p pace
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
			if waited := clock.Sub(at); waited > stretch {
				t.Fatalf("event %d waits for %v", i, waited)
			}
			if alone := i < few || at.Sub(came[i-few]) > 2*stretch; alone && clock != asked {
				t.Fatalf("event %d waits for %v, of %d or fewer in two stretches", i, clock.Sub(asked), few)
			}
		}
	})
}

// instantBus answers each event when it is sent.
type instantBus struct{ sent func() }

func (b instantBus) Send(_ context.Context, _ string, _ []byte, answered func(error)) {
	b.sent()
	answered(nil)
}

func TestAnEntityWithMoreIsNotHeldUpWithEachVersion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		relay := NewRelay(nil, instantBus{func() { at = append(at, time.Since(began)) }}, Config{}, slog.New(slog.DiscardHandler))
		// given others that have used up what goes in a stretch at once
		go relay.publish(t.Context())
		synctest.Wait()
		for i := range few {
			relay.offer(string(rune('a'+i)), 0, store.Event{}, nil)
			synctest.Wait()
		}
		// when a hundred events of one entity come
		const versions = 100
		for version := range versions {
			relay.offer("hot", int64(version), store.Event{}, nil)
		}
		// then they all go when its first one does, in the next stretch.
		time.Sleep(stretch)
		synctest.Wait()
		if len(at) != few+versions {
			t.Fatalf("%d events were sent, want %d", len(at), few+versions)
		}
		if at[few-1] != 0 || at[few] != stretch || at[few+versions-1] != stretch {
			t.Errorf("the others went until %v, the entity's from %v to %v; want at 0, and all at %v",
				at[few-1], at[few], at[few+versions-1], stretch)
		}
	})
}
