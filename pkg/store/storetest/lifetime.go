package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ticketing/pkg/store"
)

func (s *suite) testCollection(t *testing.T) {
	t.Run("opening one twice gives two handles of the same collection", func(t *testing.T) {
		spec := s.spec()
		first, second := openCollection(t, s.shared, spec), openCollection(t, s.shared, spec)
		mustPut(t, first, fullWrite("a"))
		wantEqual(t, "record", recordOf(fullWrite("a")), mustGet(t, second, "a"))
	})
	t.Run("many open one at the same time", func(t *testing.T) {
		spec := s.spec()
		together(s.size.Writers, func(i int) {
			if _, err := s.shared.Collection(t.Context(), spec); err != nil {
				t.Errorf("open collection: %v", err)
			}
		})
		mustPut(t, openCollection(t, s.shared, spec), store.Write{ID: "a"})
	})
	t.Run("an index that joins a collection later", func(t *testing.T) {
		spec := s.spec()
		narrow := spec
		narrow.Indexes = spec.Indexes[:1]
		mustPut(t, openCollection(t, s.shared, narrow), store.Write{ID: "a", Index: user("ann")})
		c := openCollection(t, s.shared, spec)
		mustPut(t, c, store.Write{ID: "b", Index: map[string]string{"user": "ann", "status": "new"}})
		wantEqual(t, "ann's", []string{"a", "b"}, listed(t, c, store.Query{Index: "user", Value: "ann", Limit: 9}))
		wantEqual(t, "new", []string{"b"}, listed(t, c, store.Query{Index: "status", Value: "new", Limit: 9}))
	})
	t.Run("records of two collections are apart", func(t *testing.T) {
		one, other := s.collection(t), s.collection(t)
		mustPut(t, one, fullWrite("a"))
		mustPut(t, other, store.Write{ID: "a"})
		wantEqual(t, "the other's pending", []store.Record(nil), mustPending(t, other))
		wantEqual(t, "the one's record", recordOf(fullWrite("a")), mustGet(t, one, "a"))
	})
	t.Run("a name outside the rules is refused", func(t *testing.T) {
		for _, spec := range []store.Spec{{}, {Name: "A"}, {Name: "a.b"}, {Name: "a", Indexes: []string{""}}} {
			if _, err := s.shared.Collection(t.Context(), spec); err == nil {
				t.Errorf("Collection(%+v) succeeded", spec)
			}
		}
	})
	t.Run("Ping", func(t *testing.T) {
		if err := s.shared.Ping(t.Context()); err != nil {
			t.Errorf("Ping = %v, want success", err)
		}
	})
}

// calls are all calls of a database and a collection, each such that it succeeds on record "a" at
// revision 1, whatever calls ran before it but for Delete, which comes last.
func calls(db store.Database, c store.Collection, spec store.Spec) []call {
	return []call{
		{"Get", func(ctx context.Context) error { _, err := c.Get(ctx, "a"); return err }},
		{"GetMany", func(ctx context.Context) error { _, err := c.GetMany(ctx, []string{"a", "b"}); return err }},
		{"List", func(ctx context.Context) error { _, err := c.List(ctx, store.Query{Limit: 9}); return err }},
		{"Pending", func(ctx context.Context) error { _, err := c.Pending(ctx, "", 9); return err }},
		{"Forget", func(ctx context.Context) error { return c.Forget(ctx, []store.Sent{{ID: "a", Versions: []int64{0}}}) }},
		{"Put", func(ctx context.Context) error { return c.Put(ctx, store.Write{ID: "new"}) }},
		{"PutMany", func(ctx context.Context) error { return c.PutMany(ctx, []store.Write{{ID: "new-1"}, {ID: "new-2"}}) }},
		{"Collection", func(ctx context.Context) error { _, err := db.Collection(ctx, spec); return err }},
		{"Drop", func(ctx context.Context) error { return db.Drop(ctx, spec.Name+"-none") }},
		{"Ping", db.Ping},
		{"Delete", func(ctx context.Context) error { return c.Delete(ctx, "a", 1) }},
	}
}

type call struct {
	name string
	run  func(ctx context.Context) error
}

func (s *suite) testContext(t *testing.T) {
	spec := s.spec()
	c := openCollection(t, s.shared, spec)
	emitting(t, c, "a", 1)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancelLate()
	for _, call := range calls(s.shared, c, spec) {
		t.Run(call.name, func(t *testing.T) {
			if err := call.run(cancelled); !errors.Is(err, context.Canceled) {
				t.Errorf("with a cancelled context = %v, want context.Canceled", err)
			}
			if err := call.run(late); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("after the deadline = %v, want context.DeadlineExceeded", err)
			}
			if err := call.run(t.Context()); err != nil {
				t.Errorf("afterwards = %v, want success", err)
			}
		})
	}
}

func (s *suite) testClose(t *testing.T) {
	t.Run("later calls return ErrUnavailable", func(t *testing.T) {
		db, spec := s.open(t), s.spec()
		c := openCollection(t, db, spec)
		emitting(t, c, "a", 1)
		if err := db.Close(); err != nil {
			t.Fatalf("Close = %v, want success", err)
		}
		for _, call := range calls(db, c, spec) {
			if err := call.run(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s after Close = %v, want ErrUnavailable", call.name, err)
			}
		}
	})
	t.Run("calls that run while it closes end well or with ErrUnavailable", func(t *testing.T) {
		db := s.open(t)
		c := openCollection(t, db, s.spec())
		var stored atomic.Int64
		closeOnce := sync.OnceFunc(func() {
			if err := db.Close(); err != nil {
				t.Errorf("Close = %v, want success", err)
			}
		})
		var closing sync.WaitGroup
		together(s.size.Writers, func(writer int) {
			for i := 0; ; i++ {
				err := c.Put(t.Context(), store.Write{ID: fmt.Sprint(writer, "-", i)})
				if err != nil {
					if !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("Put while the database is closed = %v, want ErrUnavailable", err)
					}
					return
				}
				if stored.Add(1) == int64(s.size.Writers) {
					closing.Go(closeOnce)
				}
			}
		})
		closeOnce() // where the writers failed before
		closing.Wait()
	})
}

// together runs n goroutines that start at the same moment, and waits for them.
func together(n int, run func(i int)) {
	var all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		all.Go(func() {
			<-start
			run(i)
		})
	}
	close(start)
	all.Wait()
}
