package replica

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/bustest/membus"
	"ticketing/pkg/event"
	"ticketing/pkg/replica/internal/window"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// lostStore is a service whose store is new and whose group has had everything: the broker would send it only what
// comes now, so that what it has is what was replayed.
func lostStore(t *testing.T, server *membus.Bus, events ...[]byte) *Replica[history] {
	t.Helper()
	conn := server.Connect("of old")
	publishAll(t, conn, events...)
	had, err := conn.Subscribe(t.Context(), bus.Subscription{Channel: saidChannel, Group: testGroup, Durable: testGroup, MaxInflight: 1000},
		bus.Each(func(context.Context, bus.Message) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	awaitLag(t, conn, 0)
	if err := had.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return openHistories(t, historyKind(), memstore.New())
}

// What the client drops, because its queue is full, comes again after AckWait. The replay waits for it.
func TestAReplayWaitsForWhatTheClientDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const events = 50
		server := membus.New(t)
		r := lostStore(t, server, newEntities("e", events)...)
		// given a client that drops the first delivery of many
		dropped := map[uint64]bool{}
		server.Drop(func(_ string, m bus.Message) bool {
			first := !dropped[m.Sequence]
			dropped[m.Sequence] = true
			return first && m.Sequence%3 != 0
		})
		taken := &takings{}
		c, _ := runConsumer(t, r, watchedBus{server.Connect("member"), taken})
		// when it says that it is ready, then nothing is missing
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		mustHave(t, r, "e", events)
		// and the replay has gone on, however often it looked at the channel meanwhile
		if joined := taken.sizes(); len(joined) != 2 {
			t.Errorf("subscribed %d times, want once for the group and once for the replay", len(joined))
		}
	})
}

// An event that fails is not done with: a replay that went on without it would set the mark too early.
func TestAReplayWaitsForAnEventThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		r := lostStore(t, server, newEntities("e", 5)...)
		var failures atomic.Int32
		failures.Store(2) // it is parked at the third
		kind := historyKind()
		kind.React = perTurn(func(id event.ID, _ event.Version, _ history) error {
			if id == "e4" && failures.Add(-1) >= 0 {
				return errNoSeat
			}
			return nil
		})
		r = openHistories(t, kind, r.db)
		c, _ := runConsumer(t, r, server.Connect("member"))
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		mustHave(t, r, "e", 5)
	})
}

// lateBooks are books that lag behind the broker at the first look.
type lateBooks struct {
	Bus
	once  sync.Once
	first bus.Channel
}

func (b *lateBooks) Channel(ctx context.Context, name string) (channel bus.Channel, err error) {
	channel, err = b.Bus.Channel(ctx, name)
	b.once.Do(func() {
		b.first.Durables = channel.Durables // which say that history has to be replayed
	})
	if b.first.Name != "" && len(channel.Durables) > 0 && channel.Durables[0].Members > 0 { // the member has joined, and replays
		channel, b.first = b.first, bus.Channel{}
	}
	return channel, err
}

// The broker may remove what a replay still needs, or have another disk than when it looked at the books.
func TestAReplayOfWhatTheBrokerNoLongerHas(t *testing.T) {
	for name, tt := range map[string]struct {
		first bus.Channel // what the books said
		have  int         // events that the broker has
	}{
		"its disk is new":                  {bus.Channel{Name: saidChannel, FirstSeq: 1, LastSeq: 9}, 5},
		"the oldest were removed":          {bus.Channel{Name: saidChannel, FirstSeq: 1, LastSeq: 8}, 8},
		"all it had then were removed":     {bus.Channel{Name: saidChannel, FirstSeq: 1, LastSeq: 3}, 8},
		"it has more, as always: no fault": {bus.Channel{Name: saidChannel, FirstSeq: 4, LastSeq: 6}, 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const retained = 5
				server := membus.New(t)
				server.Retain(retained)
				r := lostStore(t, server, newEntities("e", tt.have)...)
				c, _ := runConsumer(t, r, &lateBooks{Bus: server.Connect("member"), first: tt.first})
				eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
				m, err := r.generations.Read(t.Context())
				if err != nil || !m.Replayed {
					t.Errorf("the mark is %+v, %v", m, err)
				}
			})
		})
	}
}

// A replay holds as many events as fit into the lanes, because more are dropped by the client.
func TestAReplayHoldsWhatFits(t *testing.T) {
	for name, tt := range map[string]struct {
		channel bus.Channel
		want    int
	}{
		"small events":           {bus.Channel{Messages: 1000, Bytes: 100_000}, 300},
		"large ones":             {bus.Channel{Messages: 10, Bytes: 10_000}, 100},
		"larger than all":        {bus.Channel{Messages: 1, Bytes: 1 << 20}, window.Least},
		"a channel without them": {bus.Channel{}, 300},
	} {
		c := &historian[history]{config: ConsumerConfig{MaxInflight: 300, MaxHeldBytes: 100_000}}
		if got := c.replayInflight(tt.channel); got != tt.want {
			t.Errorf("%s: %d, want %d", name, got, tt.want)
		}
	}
}

// While history is replayed, the group's own work goes on, the window changes, and the audit looks.
func TestAReplayHoldsUpNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		lost := lostStore(t, server, newEntities("e", 10)...)
		// given a store in which writes take a while, so that the member holds as many events as it may,
		r := openHistories(t, historyKind(), &pacedDB{Database: lost.db, perWrite: time.Millisecond})
		// and a replay that does not end, because what it needs is dropped for ever
		server.Drop(func(client string, m bus.Message) bool { return client == "member" && m.Sequence <= 10 })
		taken := &takings{}
		c, _ := runConsumer(t, r, watchedBus{server.Connect("member"), taken})
		// when much more comes, then it is taken, in a window that grows
		publishAll(t, server.Connect("source"), newEntities("new", 3000)...)
		awaitLag(t, server.Connect("onlooker"), 0)
		mustHave(t, r, "new", 3000)
		if err := c.Ready(); err == nil || !strings.Contains(err.Error(), "replaying") {
			t.Errorf("ready: %v", err)
		}
		eventually(t, "the window has grown", func() bool { return len(taken.sizes()) > 2 }) // the group's, the replay's, the group's again
		// and it ends once the broker gets through
		server.Drop(nil)
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		mustHave(t, r, "e", 10)
	})
}

// A replay ends its turn if the store goes away, and begins again when that is back.
func TestAReplayWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := membus.New(t)
		lost := lostStore(t, server, newEntities("e", 10)...)
		db := &faultyDB{Database: lost.db}
		r := openHistories(t, historyKind(), db)
		db.away.Store(true)
		c, _ := runConsumer(t, r, server.Connect("member"))
		eventually(t, "the member says that its store is away", func() bool { return errors.Is(c.Ready(), store.ErrUnavailable) })
		db.away.Store(false)
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		mustHave(t, r, "e", 10)
		if m, err := r.generations.Read(t.Context()); err != nil || !m.Replayed {
			t.Errorf("the mark is %+v, %v", m, err)
		}
	})
}
