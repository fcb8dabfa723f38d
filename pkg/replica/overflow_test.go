package replica

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// racingDB lets something happen once between a member's reading of records and its decision.
type racingDB struct {
	store.Database
	between atomic.Pointer[func()]
	writes  []int // how many records each PutMany had
}

func (db *racingDB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	c, err := db.Database.Collection(ctx, spec)
	return &racingCollection{Collection: c, db: db}, err
}

type racingCollection struct {
	store.Collection
	db *racingDB
}

func (c *racingCollection) GetMany(ctx context.Context, ids []string) (map[string]store.Record, error) {
	defer c.db.happen()
	return c.Collection.GetMany(ctx, ids)
}

func (c *racingCollection) Get(ctx context.Context, id string) (store.Record, error) {
	if strings.HasPrefix(id, "replayed-") { // the mark
		return c.Collection.Get(ctx, id)
	}
	defer c.db.happen()
	return c.Collection.Get(ctx, id)
}

func (db *racingDB) happen() {
	if between := db.between.Swap(nil); between != nil {
		(*between)()
	}
}

func (c *racingCollection) PutMany(ctx context.Context, ws []store.Write) error {
	c.db.writes = append(c.db.writes, len(ws))
	return c.Collection.PutMany(ctx, ws)
}

// Entities that another member was first at are decided again and written together, without those that are stored.
func TestWhatAnotherMemberWasFirstAt(t *testing.T) {
	db := &racingDB{Database: memstore.New()}
	a, b := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db.Database)
	post := newMail(historyKind())
	first := func() { handle(t, b, post.say("x", 0), post.say("y", 0)) }
	db.between.Store(&first)
	handle(t, a, post.say("x", 1), post.say("y", 1), post.say("z", 0))
	handle(t, a, post.say("z", 0)) // stale: no write
	if diff := cmp.Diff([]int{3, 2}, db.writes); diff != "" {
		t.Errorf("records in each write (-want +got):\n%s", diff)
	}
	for id, want := range map[event.ID]event.Version{"x": 1, "y": 1, "z": 0} {
		if _, version := mustRead(t, a, id); version != want {
			t.Errorf("%s stands at %d, want %d", id, version, want)
		}
	}
}

// sayFrom is one delivery for each version.
func (m *mail) sayFrom(id event.ID, from, to event.Version) []*delivery[history] {
	var all []*delivery[history]
	for v := from; v <= to; v++ {
		all = append(all, m.say(id, v))
	}
	return all
}

// One member parks an event for lack of room while another applies all that was missing before it. Whether
// the record was marked as full before or not, the event is not forgotten behind its turn.
func TestAnEventParkedWhileItsTurnComes(t *testing.T) {
	for name, kept := range map[string]event.Version{"the first to be parked": room, "one more": room + 1} {
		t.Run(name, func(t *testing.T) {
			db := &racingDB{Database: memstore.New()}
			a, b := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db.Database)
			post := newMail(historyKind())
			handle(t, b, post.sayFrom("x", 1, kept)...)
			missing := func() { handle(t, b, post.say("x", 0)) }
			db.between.Store(&missing)
			handle(t, a, post.say("x", kept+1))
			if got, version := mustRead(t, a, "x"); version != kept+1 || len(got.Applied) != int(kept)+2 {
				t.Errorf("stands at %d after %d events, want %d", version, len(got.Applied), kept+1)
			}
			if parked := mustListParked(t, a); len(parked) != 0 {
				t.Errorf("%d events are still parked", len(parked))
			}
		})
	}
}

// What finds no room and what makes it the next one may come in one batch: the decision sees what it sets aside itself.
func TestAnEventThatIsSetAsideInTheBatchOfTheMissingOne(t *testing.T) {
	const last = 12
	early := func(from, to event.Version) func(*mail) []*delivery[history] {
		return func(m *mail) []*delivery[history] { return m.sayFrom("x", from, to) }
	}
	batches := func(all ...func(*mail) []*delivery[history]) []func(*mail) []*delivery[history] { return all }
	missing := early(0, 0)
	both := func(a, b func(*mail) []*delivery[history]) func(*mail) []*delivery[history] {
		return func(m *mail) []*delivery[history] { return append(a(m), b(m)...) }
	}
	for name, tt := range map[string][]func(*mail) []*delivery[history]{
		"all in one":                             batches(both(early(1, last), missing)),
		"the last and the missing one":           batches(early(1, last-1), both(early(last, last), missing)),
		"the missing one and the last":           batches(early(1, last-1), both(missing, early(last, last))),
		"the missing one first, then a gap":      batches(both(missing, early(2, last)), early(1, 1)),
		"a gap behind what was applied together": batches(both(early(2, last), missing), early(1, 1)),
		"one by one behind a full record":        batches(early(1, 6), early(7, 7), early(8, last), missing),
	} {
		for _, bound := range []int{1, 2, 3} {
			t.Run(fmt.Sprintf("%s, room for %d", name, bound), func(t *testing.T) {
				config := small()
				config.MaxEarly, config.ParkingPage = bound, bound
				r := openWith(t, historyKind(), memstore.New(), config)
				post := newMail(historyKind())
				for _, events := range tt {
					handle(t, r, events(post)...)
				}
				if got, version := mustRead(t, r, "x"); version != last || !slices.Equal(got.Applied, upTo(last)) {
					t.Errorf("stands at %d, applied %v", version, got.Applied)
				}
				mustWaitForNothing(t, r)
			})
		}
	}
}

// Of two early events with one version and different content one is applied, and the other is for a person.
func TestTwoEarlyEventsOfOneVersion(t *testing.T) {
	for name, kept := range map[string]event.Version{"both kept or refused": 1, "both parked": room, "the first is parked by another batch": room + 3} {
		t.Run(name, func(t *testing.T) {
			r := openHistories(t, historyKind(), memstore.New())
			post := newMail(historyKind())
			handle(t, r, post.sayFrom("x", 1, kept)...)
			handle(t, r, post.deliver(sayData("x", kept+1, "one")))
			handle(t, r, post.deliver(sayData("x", kept+1, "other")))
			handle(t, r, post.say("x", kept+2))
			handle(t, r, post.say("x", 0))
			got, version := mustRead(t, r, "x")
			if version != kept+2 || !slices.Equal(got.Applied, upTo(kept+2)) {
				t.Errorf("stands at %d, applied %v", version, got.Applied)
			}
			parked := mustListParked(t, r)
			if len(parked) != 1 || parked[0].Reason != parking.Conflict || parked[0].Version != kept+1 || string(parked[0].Data) != string(sayData("x", kept+1, "other")) {
				t.Errorf("parked %+v, want one conflict", parked)
			}
		})
	}
}

// A member dies between writing a record and going on with what is parked behind it: what comes again goes on.
func TestACrashAmongTheParkedEvents(t *testing.T) {
	const last = 12
	crashes := 0
	for cutOff := true; cutOff; crashes++ {
		db := &modelDB{Database: memstore.New(), left: -1}
		r := openHistories(t, historyKind(), db)
		post := newMail(historyKind())
		handle(t, r, post.sayFrom("x", 1, last)...)
		db.left = crashes
		zero := post.say("x", 0)
		cutOff = r.handle(t.Context(), []*delivery[history]{zero}) != nil
		db.left = -1
		again := openHistories(t, historyKind(), db)
		handle(t, again, post.redeliver(zero.message.Sequence, 2, zero.message.Data))
		if _, version := mustRead(t, again, "x"); version != last {
			t.Errorf("cut off at write %d it stands at %d, want %d", crashes, version, last)
		}
		handle(t, again, post.redeliver(zero.message.Sequence, 3, zero.message.Data)) // takes what the crash has left
		mustWaitForNothing(t, again)
	}
	if pages := (last - room) / small().ParkingPage; crashes < pages {
		t.Errorf("cut off %d times, want more than the %d pages", crashes, pages)
	}
}

func TestLargeEarlyEventsAreParkedEarlier(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	post := newMail(historyKind())
	// given early events of which few make up the bytes that a record may keep
	large := strings.Repeat("x", roomBytes/3)
	for v := event.Version(1); v <= 5; v++ {
		handle(t, r, post.deliver(sayData("x", v, large)))
	}
	record, err := r.generations.Present().Records.Get(t.Context(), "x")
	if err != nil || len(record.Early) != 2 || len(mustListParked(t, r)) != 3 {
		t.Errorf("%d are kept and %d parked, %v; want 2 and 3", len(record.Early), len(mustListParked(t, r)), err)
	}
	// when the missing one comes, then all are applied
	handle(t, r, post.deliver(sayData("x", 0, "small")))
	if _, version := mustRead(t, r, "x"); version != 5 || len(mustListParked(t, r)) != 0 {
		t.Errorf("stands at %d with %d parked", version, len(mustListParked(t, r)))
	}
}

func TestAHealedOverflowIsNoGap(t *testing.T) {
	inAnHour := time.Now().Add(time.Hour)
	t.Run("by the missing event", func(t *testing.T) {
		r := openHistories(t, historyKind(), memstore.New())
		post := newMail(historyKind())
		handle(t, r, post.sayFrom("x", 1, room+10)...)
		handle(t, r, post.say("x", 0))
		if gaps, err := r.Gaps(t.Context(), inAnHour, 10); err != nil || len(gaps) != 0 {
			t.Errorf("gaps %+v, %v", gaps, err)
		}
	})
	t.Run("but one behind it is", func(t *testing.T) {
		r := openHistories(t, historyKind(), memstore.New())
		post := newMail(historyKind())
		handle(t, r, post.sayFrom("x", 1, room)...)
		handle(t, r, post.say("x", room+2))
		handle(t, r, post.say("x", 0))
		gaps, err := r.Gaps(t.Context(), inAnHour, 10)
		if err != nil || len(gaps) != 1 || gaps[0].WaitsFor != room+1 || gaps[0].Since.IsZero() {
			t.Errorf("gaps %+v, %v; want one for version %d", gaps, err, room+1)
		}
	})
	for name, source := range map[string]event.Version{"by a resync to the last": room + 10, "by a resync to the first": 0} {
		t.Run(name, func(t *testing.T) {
			r := openHistories(t, historyKind(), memstore.New())
			handle(t, r, newMail(historyKind()).sayFrom("x", 1, room+10)...)
			if _, err := r.Resync(t.Context(), sayData("x", source, "now"), event.None); err != nil {
				t.Fatal(err)
			}
			gaps, err := r.Gaps(t.Context(), inAnHour, 10)
			if _, version := mustRead(t, r, "x"); err != nil || len(gaps) != 0 || version != room+10 || len(mustListParked(t, r)) != 0 {
				t.Errorf("stands at %d, gaps %+v, %v, %d parked", version, gaps, err, len(mustListParked(t, r)))
			}
		})
	}
}

func TestAParkedConflictStaysForAPerson(t *testing.T) {
	r := openHistories(t, historyKind(), memstore.New())
	post := newMail(historyKind())
	other := sayData("x", 0, "other content")
	handle(t, r, post.say("x", 0))
	handle(t, r, post.redeliver(2, 1, other))
	handle(t, r, post.redeliver(3, 1, sayData("x", 1, "text 1")))
	handle(t, r, post.redeliver(2, 2, other)) // its ack was lost, and by now it is of the past
	if parked := mustListParked(t, r); len(parked) != 1 || parked[0].Reason != parking.Conflict {
		t.Errorf("parked %+v, want the conflict", parked)
	}
}
