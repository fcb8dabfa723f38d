// Package storetest is the suite that every adapter of the store port passes: each sentence of the
// port's comments is a subtest, and then come races, a random walk beside a model, and kill -9.
//
// An adapter's test calls
//
//	storetest.Run(t, open)           the contract, the races and the model
//	storetest.Crash(t, place, open)  what is left after the process is killed
//
// Nothing here asserts an upper bound on time, so a slow server passes as well as a fast file.
package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ticketing/pkg/store"
)

// Size says how much the suite does. Fields that are 0 have the values of DefaultSize.
type Size struct {
	// Writers is how many goroutines race in each race.
	Writers int
	// Updates is how many updates each of them must get through.
	Updates int
	// Batch is how many records the large batches have.
	Batch int
	// Walks is how many random walks are compared with the model, of about 30 operations each.
	Walks int
}

// DefaultSize is small enough for a server that takes some milliseconds for every operation.
func DefaultSize() Size {
	return Size{Writers: 32, Updates: 2, Batch: 100, Walks: 20}
}

// Run runs the suite in its default size. open returns a database that holds no collection named
// "c-..." yet; the suite calls it a few times, and closes what it gets.
func Run(t *testing.T, open func(t *testing.T) store.Database) {
	RunSize(t, Size{}, open)
}

// RunSize is Run in another size.
func RunSize(t *testing.T, size Size, open func(t *testing.T) store.Database) {
	s := &suite{size: size.withDefaults(), open: open, shared: open(t)}
	t.Cleanup(func() {
		if err := s.shared.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	t.Run("Get", s.testGet)
	t.Run("GetMany", s.testGetMany)
	t.Run("Put", s.testPut)
	t.Run("UniqueKey", s.testUniqueKey)
	t.Run("PutMany", s.testPutMany)
	t.Run("Delete", s.testDelete)
	t.Run("List", s.testList)
	t.Run("Outbox", s.testOutbox)
	t.Run("Pending", s.testPending)
	t.Run("Forget", s.testForget)
	t.Run("Collection", s.testCollection)
	t.Run("Drop", s.testDrop)
	t.Run("Context", s.testContext)
	t.Run("Close", s.testClose)
	t.Run("Race", s.testRace)
	t.Run("Model", s.testModel)
}

func (s Size) withDefaults() Size {
	d := DefaultSize()
	for _, field := range []struct{ value, standard *int }{
		{&s.Writers, &d.Writers}, {&s.Updates, &d.Updates}, {&s.Batch, &d.Batch}, {&s.Walks, &d.Walks},
	} {
		if *field.value == 0 {
			*field.value = *field.standard
		}
	}
	return s
}

// suite runs most tests in one database, each in a collection of its own: to open a database can be slow.
type suite struct {
	size   Size
	open   func(t *testing.T) store.Database
	shared store.Database
	opened atomic.Int64 // collections so far, for their names
}

// step is one subtest: a sentence of the contract and a fresh collection to see it hold in.
type step struct {
	sentence string
	run      func(t *testing.T, c store.Collection)
}

func (s *suite) runSteps(t *testing.T, steps []step) {
	for _, step := range steps {
		t.Run(step.sentence, func(t *testing.T) {
			step.run(t, s.collection(t))
		})
	}
}

// spec names a fresh collection with the two indexes that the tests use.
func (s *suite) spec() store.Spec {
	return store.Spec{
		Name:    fmt.Sprintf("c-%d", s.opened.Add(1)),
		Indexes: []string{"user", "status"},
	}
}

func (s *suite) collection(t *testing.T) store.Collection {
	t.Helper()
	return openCollection(t, s.shared, s.spec())
}

func openCollection(t *testing.T, db store.Database, spec store.Spec) store.Collection {
	t.Helper()
	c, err := db.Collection(t.Context(), spec)
	if err != nil {
		t.Fatalf("open collection %s: %v", spec.Name, err)
	}
	return c
}

// moment is a time that every adapter can keep exactly.
func moment(n int) time.Time {
	return time.Date(2026, 1, 2, 3, 4, 5, 678_000_000, time.UTC).Add(time.Duration(n) * time.Millisecond)
}

// event is an event whose content tells which one it is.
func event(n int) []store.Event {
	return []store.Event{{Channel: "ticket:updated", At: moment(n), Data: fmt.Appendf(nil, `{"version":%d}`, n)}}
}

func mustPut(t *testing.T, c store.Collection, ws ...store.Write) {
	t.Helper()
	for _, w := range ws {
		if err := c.Put(t.Context(), w); err != nil {
			t.Fatalf("Put(%s at revision %d) = %v, want success", w.ID, w.Revision, err)
		}
	}
}

func mustGet(t *testing.T, c store.Collection, id string) store.Record {
	t.Helper()
	r, err := c.Get(t.Context(), id)
	if err != nil {
		t.Fatalf("Get(%s) = %v, want a record", id, err)
	}
	return r
}

// mustAll reads a whole collection.
func mustAll(t *testing.T, c store.Collection) []store.Record {
	t.Helper()
	rs, err := c.List(t.Context(), store.Query{Limit: 10_000})
	if err != nil {
		t.Fatalf("List = %v, want the records", err)
	}
	return rs
}

func mustPending(t *testing.T, c store.Collection) []store.Record {
	t.Helper()
	rs, err := c.Pending(t.Context(), "", 10_000)
	if err != nil {
		t.Fatalf("Pending = %v, want the records", err)
	}
	return rs
}

func ids(rs []store.Record) []string {
	out := make([]string, len(rs))
	for i, r := range rs {
		out[i] = r.ID
	}
	return out
}

// wantEqual compares what the port can tell apart: empty and absent are the same.
func wantEqual(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
