package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica/internal/decide"
	"ticketing/pkg/replica/internal/generation"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// Whatever is published in whatever order, delivered in whatever batches to whichever member, twice, cut off by a
// crash, raced by another member, retried by a person, and rebuilt meanwhile: in the end each version of each entity
// was applied once and in order, and only poison is parked. Records and pages have room for one to three events.
func TestNothingIsLostOrStuck(t *testing.T) {
	for _, reacts := range []bool{false, true} {
		t.Run(fmt.Sprint("reacts ", reacts), func(t *testing.T) {
			db := memstore.New()
			var round atomic.Int64
			rapid.Check(t, func(rt *rapid.T) {
				w := newWorld(rt, t, db, reacts, fmt.Sprint("round", round.Add(1)))
				rt.Repeat(map[string]func(*rapid.T){
					"publish":       w.publish,
					"deliver":       w.deliver,
					"lose an ack":   w.loseAcks,
					"crash":         w.crash,
					"race":          w.race,
					"fail reaction": w.failReactions,
					"retry":         w.retry,
					"begin rebuild": w.beginRebuild,
					"fill":          w.fill,
					"end rebuild":   w.endRebuild,
					"give up":       w.giveUpRebuild,
				})
				w.settleAll(rt)
				w.check(rt)
			})
		})
	}
}

// world is a broker with one channel, a service of two members on one store, and what is known of both.
type world struct {
	t       *testing.T
	kind    Kind[history]
	config  Config
	db      *modelDB
	members [2]*Replica[history]

	log     [][]byte                   // what the broker has, by sequence - 1
	unacked map[int]int                // sequences that were not acknowledged, with the attempts so far
	source  map[event.ID]event.Version // the next version to publish
	poison  map[string]bool            // what can only be parked
	reacted map[event.ID]event.Version // the highest version that was reacted to
	own     map[event.ID]event.Version // the last one: an entity of the service's own follows it, without a memory
	failing bool                       // reactions fail

	next   *generation.Generation // that a rebuild fills
	filled map[int]bool
}

func newWorld(rt *rapid.T, t *testing.T, db store.Database, reacts bool, name string) *world {
	w := &world{
		t: t, db: &modelDB{Database: db, left: -1}, unacked: map[int]int{}, source: map[event.ID]event.Version{},
		poison: map[string]bool{}, reacted: map[event.ID]event.Version{}, own: map[event.ID]event.Version{},
		config: Config{MaxAttempts: 3, MaxEarlyBytes: 1000, MaxEarly: rapid.IntRange(1, 3).Draw(rt, "room"),
			ParkingPage: rapid.IntRange(1, 3).Draw(rt, "page")},
	}
	w.kind = historyKind()
	w.kind.Name = name // collections of its own in the one store
	if reacts {
		w.kind.React = perTurn(w.react)
	}
	for i := range w.members {
		w.members[i] = openWith(t, w.kind, w.db, w.config)
	}
	return w
}

func (w *world) react(id event.ID, version event.Version, _ history) error {
	highest, seen := w.reacted[id]
	if !seen {
		highest = event.None
	}
	if version > highest.Next() {
		w.t.Errorf("%s version %d was reacted to before %d", id, version, highest.Next())
	}
	if w.failing {
		return errors.New("no such seat")
	}
	w.reacted[id], w.own[id] = max(highest, version), version
	return nil
}

// publish puts the next versions of an entity on the channel in any order, some twice, or poison.
func (w *world) publish(rt *rapid.T) {
	id := event.ID(rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "entity"))
	versions := make([]event.Version, rapid.IntRange(1, 8).Draw(rt, "versions"))
	for i := range versions {
		versions[i] = w.source[id] + event.Version(i)
	}
	w.source[id] += event.Version(len(versions))
	if rapid.IntRange(0, 9).Draw(rt, "again") == 0 {
		versions = append(versions, event.Version(rapid.IntRange(0, int(w.source[id])-1).Draw(rt, "which")))
	}
	for _, v := range rapid.Permutation(versions).Draw(rt, "order") {
		w.append(sayData(id, v, fmt.Sprint("text ", v)))
	}
	if rapid.IntRange(0, 9).Draw(rt, "poison") == 0 {
		poison := fmt.Sprint("poison ", len(w.log))
		w.poison[poison] = true
		w.append([]byte(poison))
	}
}

func (w *world) append(data []byte) {
	w.log = append(w.log, data)
	w.unacked[len(w.log)] = 0
}

// batch draws some of the sequences, in any order.
func batch(rt *rapid.T, from []int) []int {
	if len(from) == 0 {
		return nil
	}
	slices.Sort(from)
	return rapid.Permutation(from).Draw(rt, "batch")[:rapid.IntRange(1, len(from)).Draw(rt, "size")]
}

// hand gives a member some events and returns those that it has acknowledged.
func (w *world) hand(handle func(context.Context, []*delivery[history]) error, sequences []int) (acked []int, err error) {
	post := newMail(w.kind)
	var deliveries []*delivery[history]
	for _, s := range sequences {
		deliveries = append(deliveries, post.redeliver(uint64(s), w.unacked[s]+1, w.log[s-1]))
	}
	err = handle(context.Background(), atNow(w.members[0], deliveries))
	for _, s := range sequences {
		if w.unacked[s]++; post.settled[uint64(s)] == nil {
			acked = append(acked, s)
		}
	}
	return acked, err
}

func (w *world) deliverTo(rt *rapid.T, member int) {
	w.ack(w.mustHand(rt, w.members[member], batch(rt, w.waiting())))
}

func (w *world) waiting() []int { return slices.Collect(maps.Keys(w.unacked)) }

func (w *world) mustHand(rt *rapid.T, r *Replica[history], sequences []int) []int {
	acked, err := w.hand(r.handle, sequences)
	if err != nil {
		rt.Fatal(err)
	}
	return acked
}

func (w *world) ack(sequences []int) {
	for _, s := range sequences {
		delete(w.unacked, s)
	}
}

func (w *world) deliver(rt *rapid.T) { w.deliverTo(rt, rapid.IntRange(0, 1).Draw(rt, "member")) }

// loseAcks has the broker send again what was handled.
func (w *world) loseAcks(rt *rapid.T) {
	w.mustHand(rt, w.members[0], batch(rt, w.waiting()))
}

// crash ends a member at one of its writes, before or after it is stored, and starts it again.
func (w *world) crash(rt *rapid.T) {
	w.db.left, w.db.stored = rapid.IntRange(0, 5).Draw(rt, "writes"), rapid.Bool().Draw(rt, "stored")
	acked, err := w.hand(w.members[1].handle, batch(rt, w.waiting()))
	if err == nil {
		w.ack(acked)
	}
	w.db.left = -1
	w.members[1] = openWith(w.t, w.kind, w.db, w.config)
}

// race lets one member handle events between the other's reading and writing, perhaps copies of the same ones.
func (w *world) race(rt *rapid.T) {
	mine := batch(rt, w.waiting())
	theirs := batch(rt, w.waiting())
	w.db.between = func() { w.ack(w.mustHand(rt, w.members[1], theirs)) }
	w.ack(w.mustHand(rt, w.members[0], mine))
	w.db.between = nil
}

func (w *world) failReactions(rt *rapid.T) {
	w.failing = true
	w.deliver(rt)
	w.failing = false
}

func (w *world) parked(rt *rapid.T) []parking.Entry {
	entries, _, err := w.members[0].Parking().List(context.Background(), "", 1000)
	if err != nil {
		rt.Fatal(err)
	}
	return entries
}

func (w *world) retry(rt *rapid.T) {
	entries := w.parked(rt)
	if len(entries) == 0 {
		return
	}
	w.mustRetry(rt, entries[rapid.IntRange(0, len(entries)-1).Draw(rt, "which")])
}

// mustRetry retries an event and checks that it is parked afterwards if that is what is reported.
func (w *world) mustRetry(rt *rapid.T, entry parking.Entry) {
	_, parked, err := w.members[0].Retry(context.Background(), entry.ID)
	if err != nil {
		rt.Fatal(err)
	}
	if _, err := w.members[0].Parking().Get(context.Background(), entry.ID); parked != (err == nil) {
		rt.Fatalf("retry reports parked %v, and the lot %v", parked, err)
	}
}

func (w *world) beginRebuild(rt *rapid.T) {
	if w.next != nil {
		return
	}
	next, err := w.members[0].generations.Reserve(context.Background())
	if err != nil {
		rt.Fatal(err)
	}
	w.next, w.filled = next, map[int]bool{}
}

func (w *world) fill(rt *rapid.T) {
	if w.next == nil {
		return
	}
	var missing []int
	for s := 1; s <= len(w.log); s++ {
		if !w.filled[s] {
			missing = append(missing, s)
		}
	}
	w.fillWith(rt, batch(rt, missing))
}

func (w *world) fillWith(rt *rapid.T, sequences []int) {
	into := func(ctx context.Context, batch []*delivery[history]) error {
		return w.members[0].handleIn(ctx, w.next, batch)
	}
	for _, s := range w.replay(rt, into, sequences) {
		w.filled[s] = true
	}
}

// replay handles events of history, and leaves what the group has to send as it is.
func (w *world) replay(rt *rapid.T, into func(context.Context, []*delivery[history]) error, sequences []int) []int {
	before := maps.Clone(w.unacked)
	defer func() { w.unacked = before }()
	acked, err := w.hand(into, sequences)
	if err != nil {
		rt.Fatal(err)
	}
	return acked
}

func (w *world) all() []int {
	all := make([]int, len(w.log))
	for i := range all {
		all[i] = i + 1
	}
	return all
}

// endRebuild fills what is missing, makes the generation the present one and reads history once more.
func (w *world) endRebuild(rt *rapid.T) {
	if w.next == nil {
		return
	}
	for len(w.filled) < len(w.log) {
		w.fill(rt)
	}
	number := w.next.Number
	if err := w.members[0].generations.MakePresent(context.Background(), number); err != nil {
		rt.Fatal(err)
	}
	w.next = nil
	w.deliver(rt) // by a member that may not have noticed
	left := w.all()
	for len(left) > 0 {
		acked := w.replay(rt, w.members[0].handle, batch(rt, left))
		left = slices.DeleteFunc(left, func(s int) bool { return slices.Contains(acked, s) })
	}
	if err := w.members[0].generations.SetReplayed(context.Background(), number); err != nil {
		rt.Fatal(err)
	}
}

func (w *world) giveUpRebuild(*rapid.T) { w.next = nil }

// settleAll ends the faults: everything is delivered until it is acknowledged, a person retries what failed, and each
// entity has one more event, with which notes go that a crash has left.
func (w *world) settleAll(rt *rapid.T) {
	for len(w.unacked) > 0 {
		w.deliver(rt)
	}
	w.checkOwn(rt)
	for id := range w.source {
		w.append(sayData(id, w.source[id], fmt.Sprint("text ", w.source[id])))
		w.source[id]++
	}
	for len(w.unacked) > 0 {
		w.deliver(rt)
	}
	w.follow(rt)
	for range len(w.log) { // each may release others that fail no more
		for _, entry := range w.parked(rt) {
			if entry.Reason == parking.Failed {
				w.mustRetry(rt, entry)
			}
		}
	}
	for range 2 { // the next event takes what a crash has left in the lot, and the mark goes with the one after it
		for id := range w.source {
			w.append(sayData(id, 0, "text 0"))
		}
		for len(w.unacked) > 0 {
			w.deliver(rt)
		}
	}
}

// follow brings both members to the present generation.
func (w *world) follow(rt *rapid.T) {
	for _, r := range w.members {
		if _, err := r.generations.Follow(context.Background()); err != nil {
			rt.Fatal(err)
		}
	}
}

// checkOwn finds that the last reaction to an entity was to the version that it stands at, whatever was repeated.
func (w *world) checkOwn(rt *rapid.T) {
	if w.kind.React == nil || w.next != nil { // a rebuild is ahead
		return
	}
	w.follow(rt)
	for id, next := range w.source { // one of which an event is parked may have been passed by a rebuild that was given up
		_, version, err := w.members[0].Get(context.Background(), id)
		if last := w.own[id]; version == next-1 && last != version {
			rt.Fatalf("%s: the last reaction was to version %d, but it stands at %d, %v", id, last, version, err)
		}
	}
}

func (w *world) check(rt *rapid.T) {
	for id, next := range w.source {
		got, version, err := w.members[0].Get(context.Background(), id)
		if version != next-1 || !slices.Equal(got.Applied, upTo(next-1)) {
			rt.Fatalf("%s stands at %d, %v, having applied %v; want %d", id, version, err, got.Applied, next-1)
		}
	}
	for _, entry := range w.parked(rt) {
		if !w.poison[string(entry.Data)] || entry.Reason != parking.Poison {
			rt.Fatalf("parked as %s: %s", entry.Reason, entry.Data)
		}
		delete(w.poison, string(entry.Data))
	}
	if len(w.poison) > 0 {
		rt.Fatalf("not parked: %v", w.poison)
	}
	for _, entity := range slices.Collect(maps.Keys(w.source)) {
		record, err := w.members[0].generations.Present().Records.Get(context.Background(), string(entity))
		if err != nil || record.Index[decide.GapIndex] != "" || len(record.Early) > 0 {
			rt.Fatalf("%s still waits: %v, %d kept, %v", entity, record.Index, len(record.Early), err)
		}
	}
}

// modelDB fails on cue, and lets something happen between a reading of replicas and what follows.
type modelDB struct {
	store.Database
	mu      sync.Mutex
	left    int  // writes until one fails, and all after it; below 0 none does
	stored  bool // the one that fails is stored all the same
	between func()
}

func (db *modelDB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	c, err := db.Database.Collection(ctx, spec)
	return modelCollection{c, db, strings.Contains(spec.Name, "-replica-")}, err
}

// write lets a write happen, or not, and fails it.
func (db *modelDB) write(do func() error) error {
	fails, stored := db.next()
	if !fails {
		return do()
	}
	if stored {
		if err := do(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: on cue", store.ErrUnavailable)
}

// next reports whether the next write fails, and whether it is stored all the same.
func (db *modelDB) next() (fails, stored bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	switch {
	case db.left < 0:
		return false, false
	case db.left > 0:
		db.left--
		return false, false
	}
	stored, db.stored = db.stored, false
	return true, stored
}

type modelCollection struct {
	store.Collection
	db       *modelDB
	replicas bool
}

func (c modelCollection) GetMany(ctx context.Context, ids []string) (map[string]store.Record, error) {
	found, err := c.Collection.GetMany(ctx, ids)
	if between := c.db.between; between != nil && c.replicas {
		c.db.between = nil
		between()
	}
	return found, err
}

func (c modelCollection) Put(ctx context.Context, w store.Write) error {
	return c.db.write(func() error { return c.Collection.Put(ctx, w) })
}

func (c modelCollection) PutMany(ctx context.Context, ws []store.Write) error {
	return c.db.write(func() error { return c.Collection.PutMany(ctx, ws) })
}

func (c modelCollection) Delete(ctx context.Context, id string, revision int64) error {
	return c.db.write(func() error { return c.Collection.Delete(ctx, id, revision) })
}
