package replica

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store/storetest/memstore"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// clock is set by hand.
type clock struct{ at time.Time }

func (c *clock) now() time.Time              { return c.at }
func (c *clock) set(sinceNoon time.Duration) { c.at = noon.Add(sinceNoon) }

func openAtNoon(t testing.TB, kind Kind[history]) (*Replica[history], *clock) {
	t.Helper()
	c := &clock{at: noon}
	config := small()
	config.Now = c.now
	return openWith(t, kind, memstore.New(), config), c
}

// What people see of a parked event must make sense to them, whatever was done to the clock between its attempts.
func TestParkedWhileTheClockIsSet(t *testing.T) {
	for name, tt := range map[string]struct {
		attempts    []time.Duration // since noon
		first, last time.Duration
	}{
		"it goes on":                   {[]time.Duration{0, time.Second, time.Minute}, 0, time.Minute},
		"set forwards":                 {[]time.Duration{0, time.Second, 365 * 24 * time.Hour}, 0, 365 * 24 * time.Hour},
		"set back":                     {[]time.Duration{0, -time.Hour, time.Minute - time.Hour}, -time.Hour, time.Minute - time.Hour},
		"set back before the last":     {[]time.Duration{0, time.Second, -time.Hour}, -time.Hour, -time.Hour},
		"set back by less than that":   {[]time.Duration{0, time.Minute, time.Second}, 0, time.Second},
		"set forwards and right again": {[]time.Duration{24 * time.Hour, 0, time.Second}, 0, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			// given an event whose reaction fails
			react := &reactions{fail: map[event.Version]error{0: errors.New("no such seat")}}
			r, c := openAtNoon(t, react.kind())
			post := newMail(react.kind())
			for attempt, at := range tt.attempts {
				// then it is parked after as many attempts as are allowed, and not before
				if parked := mustListParked(t, r); len(parked) != 0 {
					t.Fatalf("parked before attempt %d: %+v", attempt+1, parked)
				}
				// when it is handled at times at which the clock stands elsewhere
				c.set(at)
				handle(t, r, post.redeliver(1, attempt+1, sayData("x", 0, "text 0")))
			}
			parked := mustListParked(t, r)
			if len(parked) != 1 || parked[0].Reason != parking.Failed || parked[0].Attempts != 3 {
				t.Fatalf("parked: %+v, want it after 3 attempts", parked)
			}
			// and the last time is what the clock said then, and the first is not after it
			if !parked[0].First.Equal(noon.Add(tt.first)) || !parked[0].Last.Equal(noon.Add(tt.last)) {
				t.Errorf("first %v, last %v; want %v and %v", parked[0].First, parked[0].Last, noon.Add(tt.first), noon.Add(tt.last))
			}
		})
	}
}

func TestGapsWhileTheClockIsSet(t *testing.T) {
	const old = time.Minute
	behind := map[string]struct {
		deliveries func(*mail) []*delivery[history]
		gap        Gap
	}{
		"kept": {func(m *mail) []*delivery[history] { return m.sayFrom("x", 1, 2) },
			Gap{Entity: "history/x", WaitsFor: 0, Kept: 2}},
		"parked": {func(m *mail) []*delivery[history] {
			return append(m.sayFrom("x", 1, room), m.say("x", room+2), m.say("x", 0))
		}, Gap{Entity: "history/x", WaitsFor: room + 1, More: true}},
	}
	for name, tt := range map[string]struct {
		now, since time.Duration // since noon, when the gap began
		shown      bool
	}{
		"young":                     {old - time.Second, 0, false},
		"old":                       {old + time.Second, 0, true},
		"set forwards":              {365 * 24 * time.Hour, 0, true}, // early
		"set back by little":        {time.Second - old, 0, false},
		"set back by more than old": {-old - time.Second, -old - time.Second, true},
		"set back by a year":        {-365 * 24 * time.Hour, -365 * 24 * time.Hour, true},
	} {
		for where, events := range behind {
			t.Run(name+", "+where, func(t *testing.T) {
				// given an entity that waits since noon
				r, c := openAtNoon(t, historyKind())
				for _, d := range events.deliveries(newMail(historyKind())) {
					handle(t, r, d)
				}
				// when the clock stands elsewhere and somebody asks for what is older than a minute
				c.set(tt.now)
				got, err := r.Gaps(t.Context(), c.at.Add(-old), 10)
				// then it is told, unless it may be young, and never as of the future
				want := []Gap(nil)
				if tt.shown {
					gap := events.gap
					gap.Since = noon.Add(tt.since)
					want = []Gap{gap}
				}
				if diff := cmp.Diff(want, got); diff != "" || err != nil {
					t.Errorf("gaps (-want +got):\n%s%v", diff, err)
				}
			})
		}
	}
}

// A gap that began under a clock set too far forwards is as old as the first event that has come since the
// clock is right.
func TestAGapAcrossAClockSetBack(t *testing.T) {
	r, c := openAtNoon(t, historyKind())
	post := newMail(historyKind())
	c.set(24 * time.Hour)
	handle(t, r, post.say("x", 1))
	c.set(0)
	handle(t, r, post.say("x", 2))
	for after, want := range map[time.Duration]int{59 * time.Second: 0, 61 * time.Second: 1} {
		c.set(after)
		gaps, err := r.Gaps(t.Context(), c.at.Add(-time.Minute), 10)
		if err != nil || len(gaps) != want || want == 1 && !gaps[0].Since.Equal(noon) {
			t.Errorf("%v later: %+v, %v; want %d since noon", after, gaps, err, want)
		}
	}
}

// How long a rebuild took is the difference of its two times, wherever it is printed.
func TestARebuildWhileTheClockIsSet(t *testing.T) {
	for set, want := range map[time.Duration]time.Duration{time.Minute: time.Minute, -time.Hour: 0} {
		c := &clock{at: noon}
		db := &faultyDB{Database: memstore.New()}
		r, err := Open(t.Context(), historyKind(), db, Config{Now: c.now}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		// given a rebuild that is begun
		member := NewConsumer(r, nil, ConsumerConfig{Group: testGroup}, slog.New(slog.DiscardHandler))
		if err := member.StartRebuild(false); err != nil {
			t.Fatal(err)
		}
		// when the clock is set before it ends, which it does at once without a store
		c.set(set)
		db.away.Store(true)
		if err := member.historian.rebuild(t.Context(), false); err != nil {
			t.Errorf("a rebuild that changed nothing ended the turn: %v", err)
		}
		// then it has not ended before it began
		got := member.Rebuild()
		if got.Running || got.Error == "" || !got.Started.Equal(noon) || got.Ended.Sub(got.Started) != want {
			t.Errorf("clock set by %v: %+v, want it to have taken %v", set, got, want)
		}
	}
}
