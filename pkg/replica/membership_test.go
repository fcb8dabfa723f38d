package replica

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
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

// runWatched runs a member, and fails the test if it is ever not ready after it has become so.
func runWatched(t testing.TB, r *Replica[history], b Bus, config ConsumerConfig) {
	t.Helper()
	config.Group = testGroup
	c := NewConsumer(r, b, config, slog.New(slog.NewTextHandler(t.Output(), nil)))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
	running.Go(func() {
		for ctx.Err() == nil {
			if err := c.Ready(); err != nil && ctx.Err() == nil {
				t.Errorf("the member was not ready any more: %v", err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
}

// newEntities are first events of so many entities.
func newEntities(name string, n int) [][]byte {
	events := make([][]byte, n)
	for i := range events {
		events[i] = sayData(event.ID(fmt.Sprint(name, i)), 0, "text 0")
	}
	return events
}

// mustHave checks that each of those entities stands at its first event.
func mustHave(t testing.TB, r *Replica[history], name string, n int) {
	t.Helper()
	for i := range n {
		if _, version := mustRead(t, r, event.ID(fmt.Sprint(name, i))); version != 0 {
			t.Fatalf("%s%d stands at %d", name, i, version)
		}
	}
}

// What a member holds longer than AckWait is sent again, to another one too, and a store that is too slow is given
// the same work twice.
func TestASlowStoreIsNotGivenAnEventTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given two members whose store needs 16 ms for each record: what they may hold takes it many AckWaits
		const backlog, ackWait, most = 1600, 2 * time.Second, 4096
		server := membus.New(t)
		publisher := server.Connect("source")
		db := &pacedDB{Database: memstore.New(), perRecord: 16 * time.Millisecond}
		r := openHistories(t, historyKind(), db)
		taken := &takings{}
		for _, name := range []string{"one", "two"} {
			b := watchedBus{server.Connect(name), taken}
			runWatched(t, openHistories(t, historyKind(), db), b, ConsumerConfig{AckWait: ackWait, MaxInflight: most})
		}
		// when there is a backlog, and then another: a busy machine may pause for longer than AckWait, and nobody
		// can know before that the store is slow
		var twice int
		var longest time.Duration
		for round, until := 0, time.Now().Add(time.Minute); time.Now().Before(until); round++ {
			name := fmt.Sprint("round", round, "-")
			taken.begin()
			publishAll(t, publisher, newEntities(name, backlog)...)
			awaitLag(t, publisher, 0)
			mustHave(t, r, name, backlog)
			if twice, longest = taken.twice(), taken.longest(); twice == 0 && longest < ackWait {
				break
			}
		}
		// then soon every event is handed out once, and settled before the broker sends it again,
		if twice != 0 || longest >= ackWait {
			t.Errorf("%d of %d events came twice, and one was held for %v of %v", twice, backlog, longest, ackWait)
		}
		// because a member has joined again, with room for fewer.
		if sizes := taken.sizes(); slices.Min(sizes) >= window.First {
			t.Errorf("the members have joined with room for %v, want one with less than %d", sizes, window.First)
		}
	})
}

func TestAMemberTakesMoreAtOnceWhereTheStoreKeepsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a backlog, and a store in which writes take a while and carry as much as one likes
		server := membus.New(t)
		publisher := server.Connect("source")
		publishAll(t, publisher, newEntities("e", 4000)...)
		r := openHistories(t, historyKind(), &pacedDB{Database: memstore.New(), perWrite: 10 * time.Millisecond})
		taken := &takings{}
		// when a member catches up
		b := watchedBus{server.Connect("member"), taken}
		runWatched(t, r, b, ConsumerConfig{AckWait: 10 * time.Minute, MaxInflight: 1000})
		awaitLag(t, publisher, 0)
		// then it has soon joined again with all it may hold, once, and nothing was handed out twice by that
		if sizes := taken.sizes(); !slices.Equal(sizes, []int{window.First, 1000}) {
			t.Errorf("joined with room for %v, want %d and then 1000", sizes, window.First)
		}
		if twice := taken.twice(); twice != 0 {
			t.Errorf("%d events of 4000 came twice", twice)
		}
		mustHave(t, r, "e", 4000)
	})
}

// watchedBus notes what its members are handed.
type watchedBus struct {
	Bus
	taken *takings
}

func (b watchedBus) Subscribe(ctx context.Context, s bus.Subscription, h bus.Handler) (bus.Member, error) {
	b.taken.joined(s.MaxInflight)
	return b.Bus.Subscribe(ctx, s, func(ctx context.Context, m bus.Message, settle bus.Settle) {
		began := time.Now()
		b.taken.add(m.Sequence)
		h(ctx, m, func(err error) {
			b.taken.held(time.Since(began))
			settle(err)
		})
	})
}

// takings counts how often each event was handed to a member and how long it was held, since begin, and how
// large the members' windows were, since ever.
type takings struct {
	mu      sync.Mutex
	count   map[uint64]int
	oldest  time.Duration
	windows []int
}

func (t *takings) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.count, t.oldest = nil, 0
}

func (t *takings) joined(size int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.windows = append(t.windows, size)
}

func (t *takings) add(sequence uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == nil {
		t.count = map[uint64]int{}
	}
	t.count[sequence]++
}

func (t *takings) held(age time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.oldest = max(t.oldest, age)
}

// sizes returns the windows that members have joined with, in the order they did.
func (t *takings) sizes() []int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.windows)
}

// twice is how many events were handed out more than once.
func (t *takings) twice() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, times := range t.count {
		if times > 1 {
			n++
		}
	}
	return n
}

// longest is how long the event was held that was held longest.
func (t *takings) longest() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.oldest
}

// pacedDB needs a given time for what is written to replicas, and no other: it keeps them in memory, because the disk of
// a busy machine has a pace of its own.
type pacedDB struct {
	store.Database
	perWrite, perRecord time.Duration

	mu       sync.Mutex
	replicas map[string]*pacedCollection
}

func (db *pacedDB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	c, err := db.Database.Collection(ctx, spec)
	if err != nil || !strings.Contains(spec.Name, "-replica-") {
		return c, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.replicas[spec.Name] == nil {
		if db.replicas == nil {
			db.replicas = map[string]*pacedCollection{}
		}
		db.replicas[spec.Name] = &pacedCollection{Collection: c, db: db, records: map[string]store.Record{}}
	}
	return db.replicas[spec.Name], nil
}

type pacedCollection struct {
	store.Collection
	db      *pacedDB
	records map[string]store.Record // guarded by db.mu
}

func (c *pacedCollection) Get(_ context.Context, id string) (store.Record, error) {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	record, ok := c.records[id]
	if !ok {
		return record, store.ErrNotFound
	}
	return record, nil
}

func (c *pacedCollection) GetMany(_ context.Context, ids []string) (map[string]store.Record, error) {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	found := map[string]store.Record{}
	for _, id := range ids {
		if record, ok := c.records[id]; ok {
			found[id] = record
		}
	}
	return found, nil
}

func (c *pacedCollection) PutMany(_ context.Context, ws []store.Write) error {
	time.Sleep(c.db.perWrite + time.Duration(len(ws))*c.db.perRecord)
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	for _, w := range ws {
		if c.records[w.ID].Revision != w.Revision {
			return store.ErrConflict
		}
		c.records[w.ID] = store.Record{ID: w.ID, Key: w.ID, Revision: w.Revision + 1, Version: w.Version,
			Index: w.Index, State: w.State, Early: w.Early}
	}
	return nil
}
