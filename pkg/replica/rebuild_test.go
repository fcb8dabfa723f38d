package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// spoil writes another content into a replica's record, as a bug or a person at the database would.
func spoil(t testing.TB, r *Replica[history], id string) {
	t.Helper()
	record, err := r.generations.Present().Records.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	err = r.generations.Present().Records.Put(t.Context(), store.Write{ID: id, Revision: record.Revision, Version: record.Version,
		State: []byte(`{"applied":[0],"text":"spoiled"}`)})
	if err != nil {
		t.Fatal(err)
	}
}

func awaitRebuild(t testing.TB, c *Consumer[history]) Rebuild {
	t.Helper()
	eventually(t, "the rebuild has ended", func() bool { return !c.Rebuild().Running })
	return c.Rebuild()
}

func TestARebuildMendsWhileEventsAndReadsGoOn(t *testing.T) {
	const entities, last = 20, 60
	server := stantest.Start(t)
	publisher := stantest.Connect(t, server, "source")
	db := memstore.New()
	one, two := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db)
	first, _ := runConsumer(t, one, stantest.Connect(t, server, "one"))
	runConsumer(t, two, stantest.Connect(t, server, "two"))
	// given replicas of which some have been spoiled
	say := func(versions ...event.Version) {
		var events [][]byte
		for e := range entities {
			for _, v := range versions {
				events = append(events, sayData(event.ID(fmt.Sprint("e", e)), v, fmt.Sprint("text ", v)))
			}
		}
		publishAll(t, publisher, events...)
	}
	say(0, 1, 2)
	awaitLag(t, publisher, 0)
	spoil(t, one, "e1")
	spoil(t, one, "e2")
	// when they are rebuilt while events come and somebody reads
	ctx, stopReading := context.WithCancel(context.Background())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			if _, version, err := two.Get(context.Background(), "e3"); err != nil || version < 0 {
				t.Errorf("a reader was not served: version %d, %v", version, err)
				return
			}
		}
	})
	if err := first.StartRebuild(false); err != nil {
		t.Fatal(err)
	}
	if err := first.StartRebuild(false); !errors.Is(err, ErrRebuilding) && first.Rebuild().Running {
		t.Errorf("a second one at the same time: %v, want ErrRebuilding", err)
	}
	for v := event.Version(3); v <= last; v++ {
		say(v)
	}
	result := awaitRebuild(t, first)
	if result.Error != "" || result.Generation < 2 {
		t.Errorf("the rebuild ended with %+v", result)
	}
	awaitLag(t, publisher, 0)
	stopReading()
	reading.Wait()
	// then both members have every entity, each version applied once, the spoiled ones too
	for name, r := range map[string]*Replica[history]{"one": one, "two": two} {
		eventually(t, name+" follows", func() bool { return r.generations.Present().Number == result.Generation })
		for e := range entities {
			got, version := mustRead(t, r, event.ID(fmt.Sprint("e", e)))
			if version != last || !slices.Equal(got.Applied, upTo(last)) || got.Text != fmt.Sprint("text ", last) {
				t.Errorf("at %s entity %d stands at %d (%q), applied %v", name, e, version, got.Text, got.Applied)
			}
		}
	}
}

// A member that has not noticed the change yet must not acknowledge what only the old generation holds.
func TestAMemberBehindAGenerationWritesToTheNewOne(t *testing.T) {
	db := memstore.New()
	slow, quick := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db)
	post := newMail(historyKind())
	handle(t, slow, post.say("x", 0))
	// given a rebuild of which the slow member knows nothing
	next, err := quick.generations.Get(t.Context(), 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	handleIn(t, quick, next, post.redeliver(1, 1, sayData("x", 0, "text 0")))
	setMark(t, quick, generation.State{Generation: 2, Replayed: true})
	// when it is given an event, then that is acknowledged, and in the new generation
	handle(t, slow, post.say("x", 1))
	if err := post.settled[2]; err != nil {
		t.Errorf("settled with %v", err)
	}
	if present, err := quick.generations.Follow(t.Context()); err != nil || present.Number != 2 {
		t.Fatalf("follows %+v, %v", present, err)
	}
	if got, version := mustRead(t, quick, "x"); version != 1 || !slices.Equal(got.Applied, upTo(1)) {
		t.Errorf("the new generation stands at %d, applied %v", version, got.Applied)
	}
}

// The lanes of one member go over one after the other: what a lane has written to the old generation is
// written again also where another lane has gone over meanwhile.
func TestALaneBehindAnotherWritesToTheNewGeneration(t *testing.T) {
	db := &slowDB{faultyDB: faultyDB{Database: memstore.New()}, writes: make(chan chan struct{}, 1)}
	r := openHistories(t, historyKind(), db)
	post := newMail(historyKind())
	// given a lane that is in the middle of its write to the old generation
	release := make(chan struct{})
	db.writes <- release
	var lane sync.WaitGroup
	lane.Go(func() {
		if err := r.handle(context.Background(), []*delivery[history]{post.say("x", 0)}); err != nil {
			t.Error(err)
		}
	})
	eventually(t, "the write is under way", func() bool { return len(db.writes) == 0 })
	// when another goes over to the new one before the write is done
	setMark(t, r, generation.State{Generation: 2, Replayed: true})
	if _, err := r.generations.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(release)
	lane.Wait()
	// then what is acknowledged is in the new generation
	if _, version := mustRead(t, r, "x"); version != 0 || post.settled[1] != nil {
		t.Errorf("stands at %d, settled with %v", version, post.settled[1])
	}
}

// slowDB holds a write back, after it is durable, until its turn is released.
type slowDB struct {
	faultyDB
	writes chan chan struct{}
}

func (db *slowDB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	c, err := db.Database.Collection(ctx, spec)
	return &slowCollection{Collection: c, db: db}, err
}

type slowCollection struct {
	store.Collection
	db *slowDB
}

func (c *slowCollection) PutMany(ctx context.Context, ws []store.Write) error {
	err := c.Collection.PutMany(ctx, ws)
	select {
	case release := <-c.db.writes:
		<-release
	default:
	}
	return err
}

// A rebuild that a lost store has cut off while it filled is started again.
func TestARebuildThatWasCutOffWhileItFills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		db := &faultyDB{Database: memstore.New()}
		r := openHistories(t, historyKind(), db)
		c, _ := runConsumer(t, r, server.Connect("one"))
		publishAll(t, server.Connect("source"), sayData("x", 0, "a"), sayData("x", 1, "b"))
		eventually(t, "x is applied", standsAt(r, "x", 1))
		spoil(t, r, "x")
		db.away.Store(true)
		if err := c.StartRebuild(false); err != nil {
			t.Fatal(err)
		}
		if result := awaitRebuild(t, c); result.Error == "" {
			t.Errorf("a rebuild without a store ended with %+v", result)
		}
		db.away.Store(false)
		eventually(t, "the member is ready again", func() bool { return c.Ready() == nil })
		if err := c.StartRebuild(false); err != nil {
			t.Fatal(err)
		}
		if result := awaitRebuild(t, c); result.Error != "" || result.Generation != 2 {
			t.Errorf("the second ended with %+v", result)
		}
		if got, _ := mustRead(t, r, "x"); got.Text != "b" {
			t.Errorf("x says %q", got.Text)
		}
	})
}

// A rebuild that ended between making the new generation the present one and replaying again is finished: by the next
// start, or by a member that has been there all the time.
func TestARebuildThatWasCutOffAfterTheChange(t *testing.T) {
	for name, restart := range map[string]bool{"by the next start": true, "by another member": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := membus.New(t)
				db := memstore.New()
				r := openHistories(t, historyKind(), db)
				c, stop := runConsumer(t, r, server.Connect("one"))
				publishAll(t, server.Connect("source"), sayData("x", 0, "a"), sayData("x", 1, "b"))
				eventually(t, "x is applied", standsAt(r, "x", 1))
				eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
				if restart {
					stop()
				}
				// given that the second generation has become the present one, and is empty
				err := r.generations.Change(t.Context(), func(m *generation.State) bool {
					*m = generation.State{Generation: 2, Reserved: 2, Before: 1}
					return true
				})
				if err != nil {
					t.Fatal(err)
				}
				if restart {
					r = openHistories(t, historyKind(), db)
					runConsumer(t, r, server.Connect("two"))
				}
				// then it is filled and complete
				eventually(t, "x is applied", standsAt(r, "x", 1))
				eventually(t, "the mark says so", func() bool {
					m, err := r.generations.Read(t.Context())
					return err == nil && m.Replayed
				})
				if m, err := r.generations.Read(t.Context()); err != nil || !cmp.Equal(m, generation.State{Generation: 2, Reserved: 2, Replayed: true}) {
					t.Errorf("the mark is %+v, %v", m, err)
				}
			})
		})
	}
}

// A broker that has lost history must not take away what the replicas have.
func TestARebuildNeedsTheWholeHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given replicas of events that the broker has never had: its disk is new
		r := openHistories(t, historyKind(), memstore.New())
		post := newMail(historyKind())
		handle(t, r, post.say("x", 0), post.say("x", 1))
		server := membus.New(t)
		c, _ := runConsumer(t, r, server.Connect("one"))
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		if err := c.StartRebuild(false); err != nil {
			t.Fatal(err)
		}
		if result := awaitRebuild(t, c); !strings.Contains(result.Error, "history x stands at 1") {
			t.Errorf("the rebuild ended with %+v", result)
		}
		if _, version := mustRead(t, r, "x"); version != 1 {
			t.Errorf("stands at %d", version)
		}
		// and a person who wants it so is obeyed
		if err := c.StartRebuild(true); err != nil {
			t.Fatal(err)
		}
		if result := awaitRebuild(t, c); result.Error != "" {
			t.Errorf("the rebuild ended with %+v", result)
		}
		if _, _, err := r.Get(t.Context(), "x"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("x: %v, want ErrNotFound", err)
		}
	})
}

// What is parked says something about the records beside it: a rebuild that fails takes nothing away from those that
// stay, and one that succeeds leaves nothing of them behind.
func TestParkedEventsBelongToTheirGeneration(t *testing.T) {
	const last = room + 4
	for name, succeeds := range map[string]bool{"a rebuild that fails": false, "a rebuild that succeeds": true} {
		t.Run(name, func(t *testing.T) {
			r := openHistories(t, historyKind(), memstore.New())
			post := newMail(historyKind())
			// given early events, parked and kept, and poison
			handle(t, r, append(post.sayFrom("x", 1, last), post.deliver([]byte("poison")))...)
			before := mustListParked(t, r)
			// when another generation is filled, in which history has the missing one too
			next, err := r.generations.Reserve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			handleIn(t, r, next, post.redeliver(99, 1, sayData("x", 0, "text 0")), post.redeliver(98, 1, []byte("poison")))
			for v := event.Version(1); v <= last; v++ {
				handleIn(t, r, next, post.redeliver(uint64(v), 2, sayData("x", v, fmt.Sprint("text ", v))))
			}
			if diff := cmp.Diff(before, mustListParked(t, r)); diff != "" {
				t.Errorf("the present generation has parked (-before +meanwhile):\n%s", diff)
			}
			if succeeds {
				if err := r.generations.MakePresent(t.Context(), next.Number); err != nil {
					t.Fatal(err)
				}
				if _, err := r.generations.Follow(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else {
				handle(t, r, post.redeliver(99, 1, sayData("x", 0, "text 0")))
			}
			// then everything is applied, and only the poison is parked, in the generation that is present
			if got, version := mustRead(t, r, "x"); version != last || !slices.Equal(got.Applied, upTo(last)) {
				t.Errorf("stands at %d, applied %v", version, got.Applied)
			}
			if parked := mustListParked(t, r); len(parked) != 1 || parked[0].Reason != parking.Poison {
				t.Errorf("parked: %+v", parked)
			}
		})
	}
}

// An event that a member parks in a generation that is no longer the present one is parked in the present one too.
func TestPoisonForAGenerationThatWasLeft(t *testing.T) {
	db := memstore.New()
	behind, other := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db)
	setMark(t, other, generation.State{Generation: 2, Replayed: true})
	handle(t, behind, newMail(historyKind()).deliver([]byte("poison")))
	if _, err := other.generations.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if parked := mustListParked(t, other); len(parked) != 1 {
		t.Errorf("parked: %+v", parked)
	}
}

// A rebuild reacts to what the generation before has not reacted to, and to nothing else, however far it is itself.
func TestARebuildDoesNotReactToHistoryAgain(t *testing.T) {
	react := &reactions{}
	r := openHistories(t, react.kind(), memstore.New())
	post := newMail(react.kind())
	handle(t, r, post.sayFrom("x", 0, 2)...)
	next, err := r.generations.Reserve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	handleIn(t, r, next, post.sayFrom("x", 0, 1)...)
	handleIn(t, r, next, post.say("y", 0)) // which the group has not brought yet
	handle(t, r, post.say("x", 3))
	if err := r.generations.MakePresent(t.Context(), next.Number); err != nil {
		t.Fatal(err)
	}
	if _, err := r.generations.Follow(t.Context()); err != nil {
		t.Fatal(err)
	}
	// history once more, and what is new
	handle(t, r, post.sayFrom("x", 0, 4)...)
	if err := r.generations.SetReplayed(t.Context(), next.Number); err != nil {
		t.Fatal(err)
	}
	handle(t, r, post.sayFrom("x", 5, 6)...)
	if diff := cmp.Diff([]event.Version{0, 1, 2, 0, 3, 4, 5, 6}, react.seen); diff != "" {
		t.Errorf("reactions (-want +got):\n%s", diff)
	}
	if present, err := r.generations.Follow(t.Context()); err != nil || present.Before != nil {
		t.Errorf("the generation before is still looked at: %+v, %v", present.Before, err)
	}
}

// What a person resyncs while a rebuild goes on is in both generations.
func TestAResyncDuringARebuild(t *testing.T) {
	for name, tt := range map[string]func(*testing.T, *Replica[history], *generation.Generation, *mail){
		"before it is filled": func(t *testing.T, r *Replica[history], next *generation.Generation, post *mail) {
			resync(t, r, 3)
			handleIn(t, r, next, post.redeliver(1, 1, sayData("x", 0, "text 0")))
		},
		"behind its comparison": func(t *testing.T, r *Replica[history], next *generation.Generation, post *mail) {
			handleIn(t, r, next, post.redeliver(1, 1, sayData("x", 0, "text 0")))
			resync(t, r, 3)
		},
		"while early events wait in it": func(t *testing.T, r *Replica[history], next *generation.Generation, post *mail) {
			handleIn(t, r, next, post.sayFrom("x", 2, 4+room)...)
			resync(t, r, 3)
			handle(t, r, post.sayFrom("x", 2, 4+room)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := openHistories(t, historyKind(), memstore.New())
			post := newMail(historyKind())
			handle(t, r, post.say("x", 0))
			next, err := r.generations.Reserve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			tt(t, r, next, post)
			want, stands := mustRead(t, r, "x")
			if err := r.generations.MakePresent(t.Context(), next.Number); err != nil {
				t.Fatal(err)
			}
			if _, err := r.generations.Follow(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, version := mustRead(t, r, "x"); version != stands || got.Text != want.Text || version < 3 {
				t.Errorf("stands at %d (%q), was resynced to %d (%q)", version, got.Text, stands, want.Text)
			}
			mustWaitForNothing(t, r)
		})
	}
}

// resync makes x what its source has, at a version.
func resync(t *testing.T, r *Replica[history], version event.Version) {
	t.Helper()
	if changed, err := r.Resync(t.Context(), sayData("x", version, fmt.Sprint("text ", version)), event.None); err != nil || !changed {
		t.Fatal(changed, err)
	}
}

// However many entities have changed while a rebuild filled its generation, each is compared.
func TestARebuildComparesEveryEntity(t *testing.T) {
	for _, most := range []int{1, 2, 3} {
		synctest.Test(t, func(t *testing.T) {
			// given replicas of which the last has no history
			server := membus.New(t)
			r := openHistories(t, historyKind(), memstore.New())
			conn := server.Connect("one")
			publishAll(t, conn, newEntities("e", 9)...)
			post := newMail(historyKind())
			for i := range 9 {
				handle(t, r, post.say(event.ID(fmt.Sprint("e", i)), 0))
			}
			handle(t, r, post.say("lost", 0))
			c := NewConsumer(r, &behindBus{Bus: conn}, ConsumerConfig{Group: testGroup, MaxLower: most}, slog.New(slog.DiscardHandler))
			// when it is rebuilt, with a first fill that brings nothing
			_, changed, err := c.historian.rebuildNext(t.Context(), false)
			if !errors.Is(err, errNotWhole) || !strings.Contains(fmt.Sprint(err), "lost") || changed {
				t.Errorf("most %d: it ended with %v, changed %v", most, err, changed)
			}
		})
	}
}

// behindBus shows an empty channel to the first fill: its books are of a moment ago.
type behindBus struct {
	Bus
	looks int
}

func (b *behindBus) Channel(ctx context.Context, name string) (bus.Channel, error) {
	if b.looks++; b.looks <= 2 {
		return bus.Channel{Name: name}, nil
	}
	return b.Bus.Channel(ctx, name)
}

// An entity whose last events the broker has lost stands higher than its history ends.
func TestARebuildDoesNotTakeVersionsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := membus.New(t).Connect("one")
		r := openHistories(t, historyKind(), memstore.New())
		publishAll(t, conn, sayData("x", 0, "text 0"))
		handle(t, r, newMail(historyKind()).sayFrom("x", 0, 1)...)
		c := NewConsumer(r, conn, ConsumerConfig{Group: testGroup}, slog.New(slog.DiscardHandler))
		if _, changed, err := c.historian.rebuildNext(t.Context(), false); !errors.Is(err, errNotWhole) || changed {
			t.Errorf("it ended with %v, changed %v; want %v", err, changed, errNotWhole)
		}
	})
}

// A generation that could not be filled does not become the present one, whatever a person is ready to lose.
func TestARebuildThatCannotReadHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := membus.New(t).Connect("one")
		r := openHistories(t, historyKind(), memstore.New())
		publishAll(t, conn, sayData("x", 0, "text 0"))
		handle(t, r, newMail(historyKind()).say("x", 0))
		c := NewConsumer(r, noReplayBus{conn}, ConsumerConfig{Group: testGroup}, slog.New(slog.DiscardHandler))
		if _, changed, err := c.historian.rebuildNext(t.Context(), true); !errors.Is(err, bus.ErrUnavailable) || changed {
			t.Errorf("it ended with %v, changed %v", err, changed)
		}
		if _, version := mustRead(t, r, "x"); version != 0 {
			t.Errorf("x stands at %d", version)
		}
	})
}

// noReplayBus refuses plain subscriptions.
type noReplayBus struct{ Bus }

func (noReplayBus) Subscribe(context.Context, bus.Subscription, bus.Handler) (bus.Member, error) {
	return nil, bus.ErrUnavailable
}

// A rebuild reads history once to fill the new generation, and once more when that is the present one.
func TestARebuildReadsHistoryTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		r := openHistories(t, historyKind(), memstore.New())
		taken := &takings{}
		c, _ := runConsumer(t, r, watchedBus{server.Connect("one"), taken})
		publishAll(t, server.Connect("source"), newEntities("e", 5)...)
		awaitLag(t, server.Connect("onlooker"), 0)
		if err := c.StartRebuild(false); err != nil {
			t.Fatal(err)
		}
		if result := awaitRebuild(t, c); result.Error != "" {
			t.Errorf("it ended with %+v", result)
		}
		if joined := taken.sizes(); len(joined) != 3 {
			t.Errorf("subscribed %d times, want once for the group and twice to read history", len(joined))
		}
	})
}
