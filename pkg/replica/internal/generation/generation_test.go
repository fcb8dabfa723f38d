package generation

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/parking"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// clock is set by hand, from noon on.
type clock struct{ since time.Duration }

func (c *clock) now() time.Time { return time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC).Add(c.since) }

func open(t testing.TB, db store.Database, c *clock) *Generations {
	t.Helper()
	g, err := Open(t.Context(), db, Config{Kind: "history", Indexes: []string{"gap"}, Page: 2, Now: c.now}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func mustReserve(t testing.TB, g *Generations) *Generation {
	t.Helper()
	reserved, err := g.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return reserved
}

// use puts a record and a parked event into a generation.
func use(t testing.TB, g *Generation) {
	t.Helper()
	err := errors.Join(g.Records.Put(t.Context(), store.Write{ID: "x", State: []byte("{}")}),
		g.Lot.Park(t.Context(), parking.Entry{Reason: parking.Poison, Version: -1, Channel: "test:said", Data: []byte("{")}))
	if err != nil {
		t.Fatal(err)
	}
}

// used returns which generations up to the last have records, and checks that as many have parked events.
func used(t testing.TB, g *Generations, last int) (records []int) {
	t.Helper()
	var parked []int
	for number := 1; number <= last; number++ {
		one, err := g.Get(t.Context(), number, 0)
		if err != nil {
			t.Fatal(err)
		}
		found, err := one.Records.List(t.Context(), store.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		n, err := one.Lot.Count(t.Context(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			records = append(records, number)
		}
		if n > 0 {
			parked = append(parked, number)
		}
	}
	if !slices.Equal(records, parked) {
		t.Errorf("generations with records are %v, with parked events %v", records, parked)
	}
	return records
}

func TestARebuildFromReservingToReplayed(t *testing.T) {
	db, c := memstore.New(), &clock{}
	g, other, late := open(t, db, c), open(t, db, c), open(t, db, c)
	if p := g.Present(); p.Number != 1 || p.Before != nil {
		t.Errorf("at first the present one is %+v", p)
	}
	// when a generation is filled, then readers see nothing of it,
	next := mustReserve(t, g)
	if next.Number != 2 || next.Before == nil || next.Before.Number != 1 || g.Present().Number != 1 {
		t.Errorf("reserved %+v, present %d", next, g.Present().Number)
	}
	// until it is the present one, with the one before it, for every instance,
	c.since = time.Minute
	if err := g.MakePresent(t.Context(), next.Number); err != nil {
		t.Fatal(err)
	}
	for _, instance := range []*Generations{g, other, open(t, db, c)} {
		if p, err := instance.Follow(t.Context()); err != nil || p != instance.Present() || p.Number != 2 || p.Before == nil || p.Before.Number != 1 {
			t.Errorf("present %+v, %v", p, err)
		}
	}
	if s, err := g.Read(t.Context()); err != nil || !cmp.Equal(s, State{Generation: 2, Before: 1, Reserved: 2, Since: c.now()}) {
		t.Errorf("the mark is %+v, %v", s, err)
	}
	// and without once it is complete, also for one that has not looked before.
	if err := g.SetReplayed(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for _, instance := range []*Generations{g, other, late} {
		if p, err := instance.Follow(t.Context()); err != nil || p.Number != 2 || p.Before != nil {
			t.Errorf("present %+v, %v", p, err)
		}
	}
	if s, err := g.Read(t.Context()); err != nil || !s.Replayed || s.Before != 0 {
		t.Errorf("the mark is %+v, %v", s, err)
	}
}

// Of two rebuilds at two instances the one that began later wins.
func TestTheOlderOfTwoRebuildsLoses(t *testing.T) {
	db, c := memstore.New(), &clock{}
	one, two := open(t, db, c), open(t, db, c)
	older, newer := mustReserve(t, one), mustReserve(t, two)
	if err := one.MakePresent(t.Context(), older.Number); err == nil {
		t.Error("the older one has become the present generation")
	}
	if err := two.MakePresent(t.Context(), newer.Number); err != nil {
		t.Error(err)
	}
	if s, err := one.Read(t.Context()); err != nil || s.Generation != newer.Number || s.Before != 1 {
		t.Errorf("the mark is %+v, %v", s, err)
	}
}

// A rebuild removes, with what is parked in them, the generations that nobody reads: not the present one, not one that
// an instance may not have left yet, and not one whose successor is not complete.
func TestReservingRemovesWhatNobodyReads(t *testing.T) {
	for name, tt := range map[string]struct {
		state State
		since time.Duration // of the present one
		want  []int
	}{
		"the present one for long":                {State{Generation: 3, Reserved: 5, Replayed: true}, LeaveTime, []int{3}},
		"the present one for a moment":            {State{Generation: 3, Reserved: 5, Replayed: true}, LeaveTime - 1, []int{1, 2, 3}},
		"others have had two looks at the mark":   {State{Generation: 3, Reserved: 5, Replayed: true}, 2 * time.Second, []int{1, 2, 3}},
		"a present one that replaces another yet": {State{Generation: 3, Before: 2, Reserved: 3}, LeaveTime, []int{2, 3, 4, 5}},
		"none reserved":                           {State{Generation: 5, Replayed: true}, LeaveTime, []int{5}},
	} {
		t.Run(name, func(t *testing.T) {
			c := &clock{}
			g := open(t, memstore.New(), c)
			for number := 1; number <= 5; number++ {
				one, err := g.Get(t.Context(), number, 0)
				if err != nil {
					t.Fatal(err)
				}
				use(t, one)
			}
			tt.state.Since = c.now()
			if err := g.Change(t.Context(), func(s *State) bool { *s = tt.state; return true }); err != nil {
				t.Fatal(err)
			}
			c.since = tt.since
			next := mustReserve(t, g)
			if want := max(tt.state.Generation, tt.state.Reserved) + 1; next.Number != want {
				t.Errorf("reserved %d, want %d", next.Number, want)
			}
			if got := used(t, g, 5); !slices.Equal(got, tt.want) {
				t.Errorf("left are %v, want %v", got, tt.want)
			}
		})
	}
}

// Readers go over within a second or two, without a write.
func TestKeepFollowing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := memstore.New(), &clock{}
		g, other := open(t, db, c), open(t, db, c)
		ended := make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		go func() { g.KeepFollowing(ctx); close(ended) }()
		if err := other.MakePresent(t.Context(), mustReserve(t, other).Number); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second + time.Millisecond)
		synctest.Wait()
		if p := g.Present(); p.Number != 2 {
			t.Errorf("present is %d", p.Number)
		}
		stop()
		<-ended
	})
}

// What change returns of a state that another instance has changed meanwhile is made again from the new one.
func TestTheMarkIsChangedByTwo(t *testing.T) {
	db, c := memstore.New(), &clock{}
	one, two := open(t, db, c), open(t, db, c)
	calls := 0
	err := one.Change(t.Context(), func(s *State) bool {
		if calls++; calls == 1 {
			if err := two.Change(t.Context(), func(s *State) bool { s.Reserved = 7; return true }); err != nil {
				t.Error(err)
			}
		}
		s.Generation = 2
		return true
	})
	if s, readErr := one.Read(t.Context()); err != nil || readErr != nil || calls != 2 || s.Generation != 2 || s.Reserved != 7 {
		t.Errorf("after %d calls %+v, %v, %v", calls, s, err, readErr)
	}
}
