package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

const testGroup = "history-service"

// runConsumer runs a member until stop is called or the test ends.
func runConsumer(t testing.TB, r *Replica[history], b Bus) (c *Consumer[history], stop func()) {
	t.Helper()
	c = NewConsumer(r, b, ConsumerConfig{Group: testGroup, AckWait: time.Second, MaxBackoff: 50 * time.Millisecond},
		slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return c, stop
}

// publishAll publishes many events at the same time, in no order.
func publishAll(t testing.TB, p bus.Publisher, events ...[]byte) {
	t.Helper()
	var publishing errgroup.Group
	publishing.SetLimit(256)
	for _, data := range events {
		publishing.Go(func() error { return p.Publish(context.Background(), saidChannel, data) })
	}
	if err := publishing.Wait(); err != nil {
		t.Fatal(err)
	}
}

// eventually polls, for what has no event that could be awaited.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute still not: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func standsAt(r *Replica[history], id event.ID, want event.Version) func() bool {
	return func() bool {
		_, version, err := r.Get(context.Background(), id)
		return err == nil && version == want
	}
}

// awaitLag waits until the group has acknowledged everything on the channel.
func awaitLag(t testing.TB, conn bus.Inspector, want uint64) {
	t.Helper()
	eventually(t, fmt.Sprintf("lag is %d", want), func() bool {
		channel, err := conn.Channel(context.Background(), saidChannel)
		return err == nil && len(channel.Durables) == 1 && channel.Lag(channel.Durables[0]) == want
	})
}

func TestAMemberResumesWhereItsGroupStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		publisher := server.Connect("source")
		r := openHistories(t, historyKind(), memstore.New())
		// given a member that has taken an event and left
		publishAll(t, publisher, sayData("x", 0, "a"))
		_, stop := runConsumer(t, r, server.Connect("first"))
		eventually(t, "version 0 is applied", standsAt(r, "x", 0))
		stop()
		// when more is published while nobody listens
		publishAll(t, publisher, sayData("x", 1, "b"), sayData("x", 2, "c"))
		// then the next member gets it, and everything is acknowledged
		c, _ := runConsumer(t, r, server.Connect("second"))
		eventually(t, "version 2 is applied", standsAt(r, "x", 2))
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		awaitLag(t, publisher, 0)
	})
}

// The durable outlives the store: then the broker sends only what is new, and history is replayed.
func TestALostStoreIsFilledFromHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		publisher := server.Connect("source")
		publishAll(t, publisher, sayData("x", 0, "a"), sayData("x", 1, "b"), sayData("y", 0, "c"), []byte("poison"))
		first := openHistories(t, historyKind(), memstore.New())
		_, stop := runConsumer(t, first, server.Connect("first"))
		eventually(t, "x is applied", standsAt(first, "x", 1))
		eventually(t, "y is applied", standsAt(first, "y", 0))
		awaitLag(t, publisher, 0)
		stop()
		// when the service comes back with an empty store, and something new happens
		second := openHistories(t, historyKind(), memstore.New())
		c, stop := runConsumer(t, second, server.Connect("second"))
		publishAll(t, publisher, sayData("x", 2, "d"))
		// then it has everything, the old and the new
		eventually(t, "x is applied", standsAt(second, "x", 2))
		eventually(t, "y is applied", standsAt(second, "y", 0))
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		if parked := mustListParked(t, second); len(parked) != 1 || string(parked[0].Data) != "poison" {
			t.Errorf("parked %+v, want the poison of the old days", parked)
		}
		stop()
		// and it does not do so again: a third member joins without a replay
		if m, err := second.generations.Read(t.Context()); err != nil || !m.Replayed {
			t.Errorf("the mark is %+v, %v", m, err)
		}
	})
}

func TestAStoreThatGoesAwayLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		publisher := server.Connect("source")
		db := &faultyDB{Database: memstore.New()}
		r := openHistories(t, historyKind(), db)
		c, _ := runConsumer(t, r, server.Connect("member"))
		publishAll(t, publisher, sayData("x", 0, "a"))
		eventually(t, "version 0 is applied", standsAt(r, "x", 0))
		// when the store goes away and events come
		db.away.Store(true)
		publishAll(t, publisher, sayData("x", 1, "b"), sayData("x", 3, "d"), []byte("poison"))
		eventually(t, "the member says that its store is away", func() bool { return errors.Is(c.Ready(), store.ErrUnavailable) })
		// then none is acknowledged
		awaitLag(t, publisher, 3)
		// and when it is back everything is there, and only the poison is parked
		db.away.Store(false)
		publishAll(t, publisher, sayData("x", 2, "c"))
		eventually(t, "version 3 is applied", standsAt(r, "x", 3))
		eventually(t, "the poison is parked", func() bool { return len(mustListParked(t, r)) == 1 })
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		awaitLag(t, publisher, 0)
	})
}

// An entity that the store will not take (too large, say) keeps nobody else waiting.
func TestAnEntityTheStoreRefusesBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		publisher := server.Connect("source")
		r := openHistories(t, historyKind(), &refusingDB{Database: memstore.New(), id: "big"}) // parks at the third attempt
		c, _ := runConsumer(t, r, server.Connect("member"))
		publishAll(t, publisher, sayData("big", 0, "a"), sayData("x", 0, "b"), sayData("y", 0, "c"))
		eventually(t, "the others are applied", func() bool { return standsAt(r, "x", 0)() && standsAt(r, "y", 0)() })
		eventually(t, "it is parked", func() bool { return len(mustListParked(t, r)) == 1 })
		if parked := mustListParked(t, r)[0]; parked.Reason != parking.Failed || !strings.Contains(parked.Error, "too large") {
			t.Errorf("parked %+v", parked)
		}
		awaitLag(t, publisher, 0)
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
	})
}

// refusingDB takes every record but one.
type refusingDB struct {
	store.Database
	id string
}

func (db *refusingDB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	c, err := db.Database.Collection(ctx, spec)
	return &refusingCollection{Collection: c, id: db.id}, err
}

type refusingCollection struct {
	store.Collection
	id string
}

func (c *refusingCollection) PutMany(ctx context.Context, ws []store.Write) error {
	for _, w := range ws {
		if w.ID == c.id {
			return errors.New("too large")
		}
	}
	return c.Collection.PutMany(ctx, ws)
}

// Un-acked early events would fill MaxInflight and starve the group (docs/contract.md, Measured facts). Kept ones do not.
func TestThousandsOfEarlyEventsBlockNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const strangers = 5000
		server := membus.New(t)
		publisher := server.Connect("source")
		r := openHistories(t, historyKind(), memstore.New())
		// given early events of many entities, and some poison
		early := make([][]byte, 0, strangers+10)
		for i := range strangers {
			early = append(early, sayData(event.ID(fmt.Sprint("e", i)), 1, "early"))
		}
		for i := range 10 {
			early = append(early, fmt.Appendf(nil, `{"version":"huge %d"}`, i))
		}
		publishAll(t, publisher, early...)
		// when a good one comes behind them, it is applied, and nothing stays un-acked
		publishAll(t, publisher, sayData("good", 0, "a"))
		runConsumer(t, r, server.Connect("member"))
		eventually(t, "the good event is applied", standsAt(r, "good", 0))
		awaitLag(t, publisher, 0)
		// and each early one is applied the moment the one it waited for comes
		publishAll(t, publisher, sayData("e17", 0, "missing"))
		eventually(t, "both of e17 are applied", standsAt(r, "e17", 1))
		if parked := mustListParked(t, r); len(parked) != 10 {
			t.Errorf("%d events are parked, want the 10 poisoned", len(parked))
		}
	})
}

func TestTwoMembersShareTheWork(t *testing.T) {
	const entities, last = 50, 19
	server := stantest.Start(t)
	publisher := stantest.Connect(t, server, "source")
	db := memstore.New()
	r := openHistories(t, historyKind(), db)
	runConsumer(t, r, stantest.Connect(t, server, "one"))
	runConsumer(t, openHistories(t, historyKind(), db), stantest.Connect(t, server, "two"))
	var events [][]byte
	for e := range entities {
		for v := range last + 1 {
			data := sayData(event.ID(fmt.Sprint("e", e)), event.Version(v), "text")
			events = append(events, data, data)
		}
	}
	rand.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	publishAll(t, publisher, events...)
	awaitLag(t, publisher, 0)
	for e := range entities {
		got, version := mustRead(t, r, event.ID(fmt.Sprint("e", e)))
		if version != last || !slices.Equal(got.Applied, upTo(last)) {
			t.Errorf("entity %d stands at %d, applied %v", e, version, got.Applied)
		}
	}
	if parked := mustListParked(t, r); len(parked) != 0 {
		t.Errorf("%d events are parked", len(parked))
	}
}

// With room for one to three of everything a member is slow, and loses nothing: events come in any order, twice and
// large, and a rebuild goes on meanwhile.
func TestAMemberWithRoomForFew(t *testing.T) {
	for _, bound := range []int{1, 2, 3} {
		t.Run(fmt.Sprint("room for ", bound), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const entities, last = 4, 9
				server := membus.New(t)
				config := Config{MaxAttempts: bound, MaxEarly: bound, MaxEarlyBytes: 200 * bound, ParkingPage: bound}
				r := openWith(t, historyKind(), memstore.New(), config)
				c := NewConsumer(r, server.Connect("member"), ConsumerConfig{
					Group: testGroup, AckWait: time.Second, MaxInflight: bound, MaxHeldBytes: int64(bound * 600), Lanes: bound, MaxBatch: bound, MaxLower: bound,
				}, slog.New(slog.DiscardHandler))
				ctx, cancel := context.WithCancel(context.Background())
				ended := make(chan error, 1)
				go func() { ended <- c.Run(ctx) }()
				var events [][]byte
				for e := range entities {
					for _, v := range rand.Perm(last + 1) {
						data := sayData(event.ID(fmt.Sprint("e", e)), event.Version(v), strings.Repeat("t", 100*bound))
						events = append(events, data, data)
					}
				}
				publishAll(t, server.Connect("source"), events[:len(events)/2]...)
				eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
				if err := c.StartRebuild(false); err != nil {
					t.Fatal(err)
				}
				publishAll(t, server.Connect("source"), events[len(events)/2:]...)
				if result := awaitRebuild(t, c); result.Error != "" {
					t.Errorf("the rebuild ended with %+v", result)
				}
				awaitLag(t, server.Connect("onlooker"), 0)
				for e := range entities {
					if got, version := mustRead(t, r, event.ID(fmt.Sprint("e", e))); version != last || !slices.Equal(got.Applied, upTo(last)) {
						t.Errorf("entity %d stands at %d, applied %v", e, version, got.Applied)
					}
				}
				mustWaitForNothing(t, r)
				cancel()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func TestReadySaysWhatItWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		r := openHistories(t, historyKind(), memstore.New())
		conn := server.Connect("member")
		c := NewConsumer(r, conn, ConsumerConfig{Group: testGroup}, slog.New(slog.DiscardHandler))
		if err := c.Ready(); err == nil || !strings.Contains(err.Error(), "not started") {
			t.Errorf("before Run: %v", err)
		}
	})
}
