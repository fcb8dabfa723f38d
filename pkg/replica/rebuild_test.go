package replica

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

// spoil writes another content into a replica's record, as a bug or a person at the database would.
func spoil(t testing.TB, r *Replica[history], id string) {
	t.Helper()
	record, err := r.records().Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	err = r.records().Put(t.Context(), store.Write{ID: id, Revision: record.Revision, Version: record.Version,
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
	db := bolttest.Open(t)
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
		eventually(t, name+" follows", func() bool { return r.present.Load().number == result.Generation })
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
	db := bolttest.Open(t)
	slow, quick := openHistories(t, historyKind(), db), openHistories(t, historyKind(), db)
	post := newMail(historyKind())
	handle(t, slow, post.say("x", 0))
	// given a rebuild of which the slow member knows nothing
	next, err := quick.next(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	handle(t, next, post.redeliver(1, 1, sayData("x", 0, "text 0")))
	if err := quick.writeMark(t.Context(), mark{Generation: 2, Replayed: true}, 0); err != nil {
		t.Fatal(err)
	}
	// when it is given an event, then that is acknowledged, and in the new generation
	handle(t, slow, post.say("x", 1))
	if err := post.settled[2]; err != nil {
		t.Errorf("settled with %v", err)
	}
	if present, err := quick.follow(t.Context()); err != nil || present.number != 2 {
		t.Fatalf("follows %+v, %v", present, err)
	}
	if got, version := mustRead(t, quick, "x"); version != 1 || !slices.Equal(got.Applied, upTo(1)) {
		t.Errorf("the new generation stands at %d, applied %v", version, got.Applied)
	}
}

// The lanes of one member go over one after the other: what a lane has written to the old generation is
// written again also where another lane has gone over meanwhile.
func TestALaneBehindAnotherWritesToTheNewGeneration(t *testing.T) {
	db := &slowDB{faultyDB: faultyDB{Database: bolttest.Open(t)}, writes: make(chan chan struct{}, 1)}
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
	_, revision, err := r.readMark(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.writeMark(t.Context(), mark{Generation: 2, Replayed: true}, revision); err != nil {
		t.Fatal(err)
	}
	if _, err := r.follow(t.Context()); err != nil {
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

// Cut off at whatever point, a rebuild is started again, or finished by the next start.
func TestARebuildThatWasCutOff(t *testing.T) {
	server := stantest.Start(t)
	publisher := stantest.Connect(t, server, "source")
	db := &faultyDB{Database: bolttest.Open(t)}
	r := openHistories(t, historyKind(), db)
	c, stop := runConsumer(t, r, stantest.Connect(t, server, "one"))
	publishAll(t, publisher, sayData("x", 0, "a"), sayData("x", 1, "b"), sayData("y", 0, "c"))
	eventually(t, "x is applied", standsAt(r, "x", 1))
	eventually(t, "y is applied", standsAt(r, "y", 0))

	t.Run("while it fills is started again", func(t *testing.T) {
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
	t.Run("after the change is finished by the next start", func(t *testing.T) {
		// given that it ended between making the third generation the present one and replaying again
		stop()
		_, revision, err := r.readMark(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.writeMark(t.Context(), mark{Generation: 3}, revision); err != nil {
			t.Fatal(err)
		}
		again := openHistories(t, historyKind(), db)
		c, _ := runConsumer(t, again, stantest.Connect(t, server, "two"))
		eventually(t, "the member is ready", func() bool { return c.Ready() == nil })
		if got, version := mustRead(t, again, "x"); version != 1 || got.Text != "b" {
			t.Errorf("x stands at %d and says %q", version, got.Text)
		}
		if m, _, err := again.readMark(t.Context()); err != nil || !cmp.Equal(m, mark{Generation: 3, Replayed: true}) {
			t.Errorf("the mark is %+v, %v", m, err)
		}
	})
}

// A broker that has lost history must not take away what the replicas have.
func TestARebuildNeedsTheWholeHistory(t *testing.T) {
	// given replicas of events that the broker has never had: its disk is new
	r := openHistories(t, historyKind(), bolttest.Open(t))
	post := newMail(historyKind())
	handle(t, r, post.say("x", 0), post.say("x", 1))
	server := stantest.Start(t)
	c, _ := runConsumer(t, r, stantest.Connect(t, server, "one"))
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
}
