package replica

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// Somebody's own event, with a version that its source has never had, leaves a gap that nothing ever closes.
func TestDropEarly(t *testing.T) {
	for name, tt := range map[string]struct {
		events func(*mail) []*delivery[history]
		stands event.Version // afterwards; event.None where nothing was applied
	}{
		"behind a version that was applied": {func(m *mail) []*delivery[history] {
			return []*delivery[history]{m.say("x", 0), m.say("x", 2), m.say("x", 3)}
		}, 0},
		"of an entity never seen":    {func(m *mail) []*delivery[history] { return m.sayFrom("x", 2, 3) }, event.None},
		"more than the record keeps": {func(m *mail) []*delivery[history] { return m.sayFrom("x", 1, room+10) }, event.None},
		"as many parked as kept":     {func(m *mail) []*delivery[history] { return m.sayFrom("x", 1, 2*room) }, event.None},
		"of which only the parked are left": {func(m *mail) []*delivery[history] {
			return append(m.sayFrom("x", 1, room), m.say("x", room+2), m.say("x", 0))
		}, room},
	} {
		t.Run(name, func(t *testing.T) {
			// given an entity that waits
			r := openHistories(t, historyKind(), memstore.New())
			post := newMail(historyKind())
			for _, d := range tt.events(post) {
				handle(t, r, d)
			}
			// when what came behind the gap is dropped
			if err := r.DropEarly(t.Context(), "x"); err != nil {
				t.Fatal(err)
			}
			// then nothing waits and nothing is parked, and it stands where it stood
			mustWaitForNothing(t, r)
			_, version, err := r.Get(t.Context(), "x")
			if version != tt.stands || errors.Is(err, store.ErrNotFound) != (tt.stands == event.None) {
				t.Errorf("stands at %d, %v; want %d", version, err, tt.stands)
			}
			if err := r.DropEarly(t.Context(), "x"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("once more: %v, want ErrNotFound", err)
			}
			// and it goes on with its next version
			handle(t, r, post.deliver(sayData("x", tt.stands+1, "goes on")))
			if got, version := mustRead(t, r, "x"); version != tt.stands+1 || got.Text != "goes on" {
				t.Errorf("then it stands at %d and says %q", version, got.Text)
			}
		})
	}
}

func mustWaitForNothing(t *testing.T, r *Replica[history]) {
	t.Helper()
	gaps, err := r.Gaps(t.Context(), time.Now().Add(time.Hour), 10)
	if parked := mustListParked(t, r); err != nil || len(gaps) != 0 || len(parked) != 0 {
		t.Errorf("gaps %+v, %v, %d parked", gaps, err, len(parked))
	}
}

// What has come and fails is no gap: a person sees it parked once it has failed often enough.
func TestDropEarlyLeavesWhatIsNext(t *testing.T) {
	react := &reactions{fail: map[event.Version]error{1: errors.New("no such seat")}}
	r := openHistories(t, react.kind(), memstore.New())
	post := newMail(react.kind())
	// given version 1 kept before version 0 has come, whose reaction then fails
	handle(t, r, post.say("x", 1))
	handle(t, r, post.say("x", 0))
	if err := r.DropEarly(t.Context(), "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("DropEarly = %v, want ErrNotFound", err)
	}
	// then it is applied once the reason is gone
	react.fail = nil
	handle(t, r, post.say("x", 2))
	if _, version := mustRead(t, r, "x"); version != 2 {
		t.Errorf("stands at %d, want 2", version)
	}
}

// The version that a gap seems to wait for may have come and be parked, as a crash among the parked events leaves it.
func TestDropEarlyLeavesAParkedEventThatIsNext(t *testing.T) {
	db := &modelDB{Database: memstore.New(), left: -1}
	r := openHistories(t, historyKind(), db)
	post := newMail(historyKind())
	handle(t, r, post.sayFrom("x", 1, room+9)...)
	db.left = 1 // the record with the first page of parked events; what follows is lost
	if err := r.handle(t.Context(), []*delivery[history]{post.say("x", 0)}); err == nil {
		t.Fatal("nothing was cut off")
	}
	db.left = -1
	_, stands := mustRead(t, r, "x")
	if err := r.DropEarly(t.Context(), "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("DropEarly behind version %d: %v, want ErrNotFound", stands, err)
	}
	handle(t, r, post.redeliver(1, 2, sayData("x", 1, "text 1")))
	if _, version := mustRead(t, r, "x"); version != room+9 {
		t.Errorf("stands at %d, want %d", version, room+9)
	}
}

// The missing version comes at the last moment: then what waited is history like any other.
func TestDropEarlyWhileTheMissingVersionComes(t *testing.T) {
	const last = room + 10
	db := &interruptedDB{Database: memstore.New()}
	person, member := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db.Database)
	post := newMail(historyKind())
	handle(t, member, post.sayFrom("x", 1, last)...)
	missing := func() { handle(t, member, post.say("x", 0)) }
	db.afterGet.Store(&missing)
	if err := person.DropEarly(t.Context(), "x"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("DropEarly = %v, want ErrNotFound", err)
	}
	if _, version := mustRead(t, member, "x"); version != last {
		t.Errorf("stands at %d, want %d", version, last)
	}
	mustWaitForNothing(t, member)
}

// A member that has read the record before the drop must not write over what came after it.
func TestDropEarlyWhileAnotherMemberDecides(t *testing.T) {
	db := &racingDB{Database: memstore.New()}
	slow, quick := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db.Database)
	post := newMail(historyKind())
	handle(t, quick, post.say("x", 7)) // somebody's own
	meanwhile := func() {
		if err := quick.DropEarly(t.Context(), "x"); err != nil {
			t.Error(err)
		}
		handle(t, quick, post.say("x", 0))
	}
	db.between.Store(&meanwhile)
	handle(t, slow, post.say("x", 1))
	if _, version := mustRead(t, quick, "x"); version != 1 {
		t.Errorf("stands at %d, want 1", version)
	}
	mustWaitForNothing(t, quick)
}

// interruptedDB lets something happen once behind a reading of a replica.
type interruptedDB struct {
	store.Database
	afterGet atomic.Pointer[func()]
}

func (db *interruptedDB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	c, err := db.Database.Collection(ctx, spec)
	if !strings.Contains(spec.Name, "-replica-") {
		return c, err
	}
	return &interruptedCollection{Collection: c, db: db}, err
}

type interruptedCollection struct {
	store.Collection
	db *interruptedDB
}

func (c *interruptedCollection) Get(ctx context.Context, id string) (store.Record, error) {
	record, err := c.Collection.Get(ctx, id)
	if after := c.db.afterGet.Swap(nil); after != nil {
		(*after)()
	}
	return record, err
}
