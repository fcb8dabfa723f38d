package window

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// testAckWait has a limit of 1 s, and an aim of half a second.
const testAckWait = 2 * time.Second

var windowEpoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestWindow(t *testing.T) {
	type batch struct {
		age    time.Duration
		events int
		inHand int
		want   int // the size after it
	}
	const ms = time.Millisecond
	tests := map[string]struct {
		most    int
		batches []batch
	}{
		"a quick store":                           {4096, []batch{{10 * ms, 512, 256, 4096}, {10 * ms, 8192, 4096, 4096}}},
		"a whole round is needed to grow":         {4096, []batch{{10 * ms, 511, 256, 256}, {10 * ms, 1, 256, 4096}}},
		"the oldest of a round counts":            {4096, []batch{{200 * ms, 256, 256, 256}, {10 * ms, 256, 256, 640}}},
		"a round begins anew":                     {4096, []batch{{400 * ms, 512, 256, 256}, {10 * ms, 512, 256, 4096}}},
		"less than twice as much is not worth it": {4096, []batch{{300 * ms, 512, 256, 256}}},
		"no faster than that":                     {65536, []batch{{ms, 512, 256, 16384}, {ms, 32768, 16384, 65536}}},
		"but the last step may be smaller":        {300, []batch{{10 * ms, 512, 256, 300}}},
		"an idle member does not grow":            {4096, []batch{{ms, 100000, 191, 256}}},
		"nearly full is full":                     {4096, []batch{{ms, 512, 192, 4096}}},
		"within the limit it stays":               {4096, []batch{{time.Second, 512, 256, 256}, {time.Second, 512, 256, 256}}},
		"too old":                                 {4096, []batch{{2 * time.Second, 512, 256, 64}}},
		"a third in time may be, not more":        {4096, []batch{{2 * time.Second, 320, 256, 256}, {ms, 192, 256, 256}, {2 * time.Second, 400, 256, 256}, {ms, 112, 256, 64}}},
		"the mean of what is too old counts":      {4096, []batch{{3 * time.Second, 256, 256, 256}, {2 * time.Second, 256, 256, 51}}},
		"too old, though little is in hand":       {4096, []batch{{2 * time.Second, 511, 256, 256}, {2 * time.Second, 1, 1, 64}}},
		"too old because of more than it let in":  {4096, []batch{{2 * time.Second, 512, 512, 256}, {3 * time.Second, 512, 512, 85}}},
		"far too old":                             {4096, []batch{{time.Hour, 512, 256, Least}}},
		"as old as before, so it goes back":       {4096, []batch{{2 * time.Second, 512, 256, 64}, {2 * time.Second, 128, 64, 256}, {2 * time.Second, 512, 256, 256}}},
		"younger, though not enough":              {4096, []batch{{2 * time.Second, 512, 256, 64}, {1200 * ms, 128, 64, 26}}},
		"once in time, shrinking was right":       {4096, []batch{{2 * time.Second, 512, 256, 64}, {ms, 128, 64, 64}, {2 * time.Second, 128, 64, 16}}},
		"it does not grow soon after":             {4096, []batch{{2 * time.Second, 512, 256, 64}, {10 * ms, 1000, 64, 64}}},
		"a clock that stands still":               {4096, []batch{{0, 512, 256, 4096}}},
		"never more than may be":                  {8, []batch{{10 * ms, 1000, 8, 8}, {time.Hour, 16, 8, 8}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w, now := New(tt.most, 1, testAckWait), windowEpoch
			w.Joined(now)
			for i, b := range tt.batches {
				before := w.size
				taken := now.Add(ms)
				now = taken.Add(b.age)
				changed := w.Settled(Batch{Events: b.events, Taken: taken, At: now, InHand: b.inHand})
				if w.size != b.want || changed != (w.size != before) {
					t.Fatalf("after batch %d: size %d, changed %v; want size %d", i, w.size, changed, b.want)
				}
				if changed {
					w.Joined(now)
				}
			}
		})
	}
}

func TestAWindowGrowsAgainWhenTheStoreHasLongBeenQuick(t *testing.T) {
	w, now := New(4096, 1, testAckWait), windowEpoch
	w.Joined(now)
	quick := func() bool {
		return w.Settled(Batch{Events: 2 * w.size, Taken: now, At: now.Add(time.Millisecond), InHand: w.size})
	}
	// given a window that a pause of the store has made small
	if !w.Settled(Batch{Events: 512, Taken: now, At: now.Add(2 * time.Second), InHand: 256}) || w.size != 64 {
		t.Fatalf("size %d, want 64", w.size)
	}
	shrunk := now.Add(2 * time.Second)
	w.Joined(shrunk)
	// when the store is quick again, then it grows after ten AckWaits and not before
	for now = shrunk; now.Before(shrunk.Add(quietWaits * testAckWait).Add(-time.Second)); now = now.Add(time.Second) {
		if quick() {
			t.Fatalf("grew to %d after only %v", w.size, now.Sub(shrunk))
		}
	}
	now = shrunk.Add(quietWaits * testAckWait)
	if !quick() || w.size != 4096 {
		t.Errorf("size %d after a long quiet, want 4096", w.size)
	}
}

// What was taken before the member joined with the present size says nothing about it.
func TestAWindowJudgesOnlyWhatItHasLetIn(t *testing.T) {
	w, now := New(4096, 1, testAckWait), windowEpoch
	old := Batch{Events: 512, Taken: now, At: now.Add(time.Hour), InHand: 256}
	if w.Settled(old) {
		t.Error("changed before a member had joined")
	}
	w.Joined(now.Add(time.Second))
	if w.Settled(old) {
		t.Error("changed for an event of the time before it joined")
	}
	// nor is anything learned between a decision and the joining that follows it
	old.Taken = now.Add(2 * time.Second)
	if !w.Settled(old) || w.Settled(old) {
		t.Error("want one change for one joining")
	}
}

// A store that needs the same time for each event gets a window that suits it, and keeps it.
func TestAWindowConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ackWait := time.Duration(rapid.Int64Range(int64(time.Second), int64(time.Minute)).Draw(t, "ackWait"))
		most := rapid.IntRange(1, 65536).Draw(t, "most")
		s := &steadyStore{w: New(most, 1, ackWait), now: windowEpoch}
		s.w.Joined(s.now)
		costs := rapid.SliceOfN(rapid.Int64Range(int64(time.Microsecond), int64(time.Second)), 1, 4).Draw(t, "costs")
		for _, cost := range costs {
			s.cost = time.Duration(cost)
			// when the store has been so for a while, with a backlog
			s.goOn(t, 60*ackWait, nil)
			// then what is in hand is settled within half of AckWait, if that is possible at all,
			size := s.w.size
			held := time.Duration(size) * s.cost
			if held > ackWait/2 && size > s.w.least {
				t.Fatalf("%d events of %v take %v, want at most half of %v", size, s.cost, held, ackWait)
			}
			// nor is the window much smaller than it may be,
			if size < most && held*5 < ackWait/2 {
				t.Fatalf("%d events of %v take only %v of %v", size, s.cost, held, ackWait)
			}
			// and it stays.
			s.goOn(t, 60*ackWait, func() {
				if s.w.size != size {
					t.Fatalf("went from %d to %d, though nothing has changed", size, s.w.size)
				}
			})
		}
	})
}

// A store whose writes take the same time however much they carry gets no smaller window for long: that would make it
// slower, and its events no younger.
func TestAWindowStaysWhereItDoesNotHelp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		age := time.Duration(rapid.Int64Range(int64(time.Millisecond), int64(time.Minute)).Draw(t, "age"))
		w, now := New(4096, 1, testAckWait), windowEpoch
		w.Joined(now)
		smaller := 0
		for range 1000 {
			b := Batch{Events: w.size, Taken: now, At: now.Add(age), InHand: w.size}
			now = b.At
			if w.Settled(b) {
				w.Joined(now)
			}
			if w.size < First {
				smaller++
			}
		}
		// it tries now and then, for a run of two windows
		if most := 4 + 4*int(1000*age/w.quiet); smaller > most || smaller > 500 {
			t.Errorf("was smaller than at first in %d of 1000 rounds", smaller)
		}
	})
}

// steadyStore is a member whose store needs the same time for every event, and that meets a backlog now and then.
type steadyStore struct {
	w    *Window
	now  time.Time
	cost time.Duration
}

// goOn lets at least that much time and ten rounds pass.
func (s *steadyStore) goOn(t *rapid.T, time time.Duration, check func()) {
	until := s.now.Add(time)
	for rounds := 0; rounds < 10 || s.now.Before(until); rounds++ {
		s.round(t)
		if check != nil {
			check()
		}
	}
}

// round settles as many events as the window has room for: all of them are in hand, and the last to be taken has
// waited for the ones before it. Then there is nothing to do for a while.
func (s *steadyStore) round(t *rapid.T) {
	size := s.w.size
	b := Batch{Events: size, Taken: s.now, At: s.now.Add(time.Duration(size) * s.cost), InHand: size}
	if s.w.Settled(b) {
		s.w.Joined(b.At)
	}
	s.now = b.At.Add(s.w.limit)
	if s.w.size < s.w.least || s.w.size > s.w.most || s.w.least < min(Least, s.w.most) {
		t.Fatalf("size %d is outside %d..%d", s.w.size, s.w.least, s.w.most)
	}
}
