package storetest

import (
	"errors"
	"testing"

	"ticketing/pkg/store"
)

func (s *suite) testDrop(t *testing.T) {
	t.Run("takes everything that is in the collection, which can be opened anew", func(t *testing.T) {
		spec := s.spec()
		mustPut(t, openCollection(t, s.shared, spec), fullWrite("a"), store.Write{ID: "b", Index: user("ann")})
		mustDrop(t, s.shared, spec.Name)
		c := openCollection(t, s.shared, spec)
		wantEqual(t, "records", []store.Record(nil), mustAll(t, c))
		wantEqual(t, "pending", []store.Record(nil), mustPending(t, c))
		// the key, the index and the id are free
		mustPut(t, c, store.Write{ID: "other", Key: fullWrite("a").Key}, store.Write{ID: "b"})
		wantEqual(t, "ann's", []string{}, listed(t, c, store.Query{Index: "user", Value: "ann", Limit: 9}))
		wantEqual(t, "pending", []store.Record(nil), mustPending(t, c))
	})
	t.Run("leaves other collections alone", func(t *testing.T) {
		spec := s.spec()
		longer := spec
		longer.Name += "-longer"
		kept := openCollection(t, s.shared, longer)
		mustPut(t, kept, fullWrite("a"))
		mustPut(t, openCollection(t, s.shared, spec), fullWrite("a"))
		mustDrop(t, s.shared, spec.Name)
		wantEqual(t, "record", recordOf(fullWrite("a")), mustGet(t, kept, "a"))
	})
	t.Run("a collection that is not there, or no longer, is no error", func(t *testing.T) {
		spec := s.spec()
		mustDrop(t, s.shared, spec.Name)
		openCollection(t, s.shared, spec)
		mustDrop(t, s.shared, spec.Name)
		mustDrop(t, s.shared, spec.Name)
	})
	t.Run("a name outside the rules is refused", func(t *testing.T) {
		for _, name := range []string{"", "A", "a.b"} {
			if err := s.shared.Drop(t.Context(), name); err == nil {
				t.Errorf("Drop(%q) succeeded", name)
			}
		}
	})
	t.Run("through a handle from before nothing is found", func(t *testing.T) {
		spec := s.spec()
		c := openCollection(t, s.shared, spec)
		emitting(t, c, "a", 1)
		mustDrop(t, s.shared, spec.Name)
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Get = %v, want ErrNotFound or ErrUnavailable", err)
		}
		for what, read := range map[string]func() (int, error){
			"GetMany": func() (int, error) { found, err := c.GetMany(t.Context(), []string{"a"}); return len(found), err },
			"List":    func() (int, error) { rs, err := c.List(t.Context(), store.Query{Limit: 9}); return len(rs), err },
			"Pending": func() (int, error) { rs, err := c.Pending(t.Context(), "", 9); return len(rs), err },
		} {
			if n, err := read(); n != 0 || err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s found %d records, %v", what, n, err)
			}
		}
		// and a writer, who may bring the collection back, is told where he does not
		for what, err := range map[string]error{
			"Put":    c.Put(t.Context(), store.Write{ID: "b"}),
			"Forget": c.Forget(t.Context(), []store.Sent{{ID: "a", Versions: []int64{0}}}),
		} {
			if err != nil && !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("%s = %v, want success or ErrUnavailable", what, err)
			}
		}
		if err := c.Delete(t.Context(), "a", 1); !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Delete = %v, want ErrConflict or ErrUnavailable", err)
		}
		wantEqual(t, "a", false, exists(t, openCollection(t, s.shared, spec), "a"))
	})
}

func mustDrop(t *testing.T, db store.Database, name string) {
	t.Helper()
	if err := db.Drop(t.Context(), name); err != nil {
		t.Fatalf("Drop(%s) = %v, want success", name, err)
	}
}

func exists(t *testing.T, c store.Collection, id string) bool {
	t.Helper()
	found, err := c.GetMany(t.Context(), []string{id})
	if err != nil {
		t.Fatalf("GetMany = %v, want success", err)
	}
	return len(found) > 0
}
