package replica

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// holding returns the generations up to the last that have records.
func holding(t testing.TB, r *Replica[history], last int) []int {
	t.Helper()
	var numbers []int
	for number := 1; number <= last; number++ {
		opened, err := r.generations.Get(t.Context(), number, 0)
		if err != nil {
			t.Fatal(err)
		}
		records, err := opened.Records.List(t.Context(), store.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(records) > 0 {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func TestARebuildRemovesTheGenerationsThatWereLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		publisher := server.Connect("source")
		var later atomic.Int64
		now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
		r, err := Open(t.Context(), historyKind(), memstore.New(), Config{Now: now}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		c, _ := runConsumer(t, r, server.Connect("one"))
		publishAll(t, publisher, sayData("x", 0, "a"))
		eventually(t, "x is applied", standsAt(r, "x", 0))
		for _, step := range []struct {
			given string
			pass  time.Duration
			want  []int
		}{
			{"a first generation that was the present one for long", generation.LeaveTime, []int{1, 2}},
			{"a second one that a member may not have noticed yet", 0, []int{1, 2, 3}},
			{"a third one that all have noticed", generation.LeaveTime, []int{3, 4}},
		} {
			// when it is rebuilt
			later.Add(int64(step.pass))
			if err := c.StartRebuild(false); err != nil {
				t.Fatal(err)
			}
			result := awaitRebuild(t, c)
			if last := slices.Max(step.want); result.Error != "" || result.Generation != last {
				t.Fatalf("given %s: the rebuild ended with %+v, want generation %d", step.given, result, last)
			}
			// then what no member reads is gone, and what is read is whole
			if diff := cmp.Diff(step.want, holding(t, r, result.Generation)); diff != "" {
				t.Errorf("given %s: generations with records (-want +got):\n%s", step.given, diff)
			}
			if got, version := mustRead(t, r, "x"); version != 0 || got.Text != "a" {
				t.Errorf("given %s: x stands at %d and says %q", step.given, version, got.Text)
			}
		}
	})
}

// A rebuild that did not come to its end must not leave its part of a copy for good.
func TestARebuildRemovesWhatOthersHaveNotFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a rebuild that ended in the middle of the fifth generation
		server := membus.New(t)
		r := openHistories(t, historyKind(), memstore.New())
		c, _ := runConsumer(t, r, server.Connect("one"))
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		unfinished, err := r.generations.Get(t.Context(), 5, 1)
		if err != nil {
			t.Fatal(err)
		}
		handleIn(t, r, unfinished, newMail(historyKind()).say("x", 0))
		err = r.generations.Change(t.Context(), func(m *generation.State) bool {
			m.Reserved, m.Since = 5, time.Now() // however short the present one has been that
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		// when the next one succeeds
		publishAll(t, server.Connect("source"), sayData("y", 0, "b"))
		eventually(t, "y is applied", standsAt(r, "y", 0))
		if err := c.StartRebuild(false); err != nil {
			t.Fatal(err)
		}
		if result := awaitRebuild(t, c); result.Error != "" || result.Generation != 6 {
			t.Fatalf("the rebuild ended with %+v", result)
		}
		// then only what was the present one is there beside it
		if diff := cmp.Diff([]int{1, 6}, holding(t, r, 6)); diff != "" {
			t.Errorf("generations with records (-want +got):\n%s", diff)
		}
	})
}

// A member may be asked to rebuild before it has noticed which generation is the present one. What it compares
// history with, to see that nothing gets lost, must be that one.
func TestARebuildByAMemberThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a second generation that stands higher than the history of a broker with a new disk
		db := memstore.New()
		behind, other := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db)
		setMark(t, other, generation.State{Generation: 2, Reserved: 2, Replayed: true})
		if _, err := other.generations.Follow(t.Context()); err != nil {
			t.Fatal(err)
		}
		post := newMail(historyKind())
		handle(t, other, post.say("x", 0), post.say("x", 1))
		// when a member that still has the first is asked to rebuild
		conn := membus.New(t).Connect("behind")
		c := NewConsumer(behind, conn, ConsumerConfig{Group: testGroup}, slog.New(slog.DiscardHandler))
		_, changed, err := c.historian.rebuildNext(t.Context(), false)
		// then it refuses, and the replicas are as they were
		if !errors.Is(err, errNotWhole) || changed {
			t.Errorf("the rebuild ended with %v, changed %t; want %v", err, changed, errNotWhole)
		}
		if _, version := mustRead(t, behind, "x"); version != 1 {
			t.Errorf("x stands at %d", version)
		}
	})
}

// Readers go over to the present generation also while their member waits for the broker.
func TestReadersFollowWithoutABroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New()
		reader, other := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db)
		if err := reader.generations.SetReplayed(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		// given a member that waits to be let into its group
		waits := &waitingBus{Bus: membus.New(t).Connect("reader"), waiting: make(chan struct{})}
		runConsumer(t, reader, waits)
		<-waits.waiting
		// when another generation becomes the present one
		next, err := other.generations.Get(t.Context(), 2, 1)
		if err != nil {
			t.Fatal(err)
		}
		handleIn(t, other, next, newMail(historyKind()).say("x", 0))
		err = other.generations.Change(t.Context(), func(m *generation.State) bool {
			m.Generation = 2
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		// then what is in it is read
		eventually(t, "x is read", standsAt(reader, "x", 0))
	})
}

// waitingBus lets nobody join, and says when somebody wants to.
type waitingBus struct {
	Bus
	waiting chan struct{}
}

func (b *waitingBus) Subscribe(ctx context.Context, _ bus.Subscription, _ bus.Handler) (bus.Member, error) {
	close(b.waiting)
	<-ctx.Done()
	return nil, ctx.Err()
}

// A member that has hung until its generation was removed takes events as any other, and none is lost.
func TestAMemberWhoseGenerationWasRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		publisher := server.Connect("source")
		db := memstore.New()
		hung := openHistories(t, historyKind(), db)
		// given that all went over to the second generation meanwhile
		setMark(t, hung, generation.State{Generation: 2, Replayed: true})
		if err := db.Drop(t.Context(), "history-replica-1"); err != nil {
			t.Fatal(err)
		}
		// when it goes on
		runConsumer(t, hung, server.Connect("hung"))
		publishAll(t, publisher, sayData("x", 0, "a"))
		awaitLag(t, publisher, 0)
		// then its event is in the second
		present := openHistories(t, historyKind(), db)
		if got, version := mustRead(t, present, "x"); version != 0 || got.Text != "a" {
			t.Errorf("x stands at %d and says %q", version, got.Text)
		}
	})
}

// lookingBus does something at the first look at a channel.
type lookingBus struct {
	Bus
	first func()
}

func (b *lookingBus) Channel(ctx context.Context, name string) (bus.Channel, error) {
	channel, err := b.Bus.Channel(ctx, name)
	if first := b.first; first != nil {
		b.first = nil
		first()
	}
	return channel, err
}

// A member that has replayed history into one generation says nothing about another one, which has become the present
// one meanwhile: whoever rebuilt that may not have completed it yet.
func TestAReplayCompletesOnlyTheGenerationItBeganWith(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		publishAll(t, server.Connect("source"), sayData("x", 0, "a"))
		db := memstore.New()
		finishing, rebuilding := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db)
		setMark(t, finishing, generation.State{Generation: 1, Reserved: 1})
		// given a member that finishes the replay of the first generation
		conn := &lookingBus{Bus: server.Connect("one")}
		c := NewConsumer(finishing, conn, ConsumerConfig{Group: testGroup}, slog.New(slog.DiscardHandler))
		work, stop := context.WithCancel(t.Context())
		h := c.historian
		h.lanes = h.startLanes(work, func(ctx context.Context, batch []*delivery[history]) {
			if err := finishing.handle(ctx, batch); err != nil {
				t.Error(err)
			}
		})
		defer func() { stop(); h.lanes.Wait() }()
		// when another member makes the second one the present one meanwhile
		conn.first = func() {
			next, err := rebuilding.generations.Reserve(t.Context())
			if err == nil {
				err = rebuilding.generations.MakePresent(t.Context(), next.Number)
			}
			if err != nil {
				t.Error(err)
			}
		}
		if err := h.replayAll(t.Context()); err != nil {
			t.Fatal(err)
		}
		// then that one is still to be completed
		m, err := finishing.generations.Read(t.Context())
		if err != nil || m.Generation != 2 || m.Replayed || m.Before != 1 {
			t.Errorf("the mark is %+v, %v; want generation 2, not replayed, before it 1", m, err)
		}
	})
}
