package storetest

import (
	"testing"

	"ticketing/pkg/store"
)

func (s *suite) testUniqueKey(t *testing.T) {
	s.runSteps(t, []step{
		{"an empty key stands for the id", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a"}, store.Write{ID: "b", Key: "b"})
			wantEqual(t, "keys", []string{"a", "b"}, []string{mustGet(t, c, "a").Key, mustGet(t, c, "b").Key})
		}},
		{"ErrKeyTaken when a record is created with a key that another holds", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Key: "k"})
			wantRefused(t, c, store.Write{ID: "b", Key: "k", Emit: event(0)}, store.ErrKeyTaken)
		}},
		{"ErrKeyTaken when a record is changed to a key that another holds", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Key: "k"}, store.Write{ID: "b", Key: "l"})
			wantRefused(t, c, store.Write{ID: "b", Revision: 1, Version: 1, Key: "k", Emit: event(1)}, store.ErrKeyTaken)
			mustPut(t, c, store.Write{ID: "b", Revision: 1, Key: "l"})
		}},
		{"an id that serves as a key is taken too", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a"}, store.Write{ID: "b"})
			wantRefused(t, c, store.Write{ID: "c", Key: "a"}, store.ErrKeyTaken)
			wantRefused(t, c, store.Write{ID: "b", Revision: 1, Key: "a"}, store.ErrKeyTaken)
		}},
		{"a key can be the id of another record that has another key", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Key: "k"}, store.Write{ID: "b", Key: "a"})
			wantRefused(t, c, store.Write{ID: "a", Revision: 1}, store.ErrKeyTaken)
			wantRefused(t, c, store.Write{ID: "c", Key: "a"}, store.ErrKeyTaken)
		}},
		{"a key that is an id yet to come is taken when it comes", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Key: "b"})
			wantRefused(t, c, store.Write{ID: "b"}, store.ErrKeyTaken)
			mustPut(t, c, store.Write{ID: "b", Key: "a"})
		}},
		{"a record keeps its own key through changes", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Key: "k"}, store.Write{ID: "a", Revision: 1, Key: "k"})
			wantRefused(t, c, store.Write{ID: "b", Key: "k"}, store.ErrKeyTaken)
		}},
		{"a change releases the key it replaces, in the same write", func(t *testing.T, c store.Collection) {
			mustPut(t, c,
				store.Write{ID: "order-1", Key: "ticket"},
				store.Write{ID: "order-1", Revision: 1}, // cancelled: it stands for itself again
				store.Write{ID: "order-2", Key: "ticket"},
			)
			wantRefused(t, c, store.Write{ID: "order-1", Revision: 2, Key: "ticket"}, store.ErrKeyTaken)
			wantRefused(t, c, store.Write{ID: "order-3", Key: "order-1"}, store.ErrKeyTaken)
		}},
		{"a record that leaves its id as a key releases it", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a"}, store.Write{ID: "a", Revision: 1, Key: "k"}, store.Write{ID: "b", Key: "a"})
			wantEqual(t, "keys", []string{"k", "a"}, []string{mustGet(t, c, "a").Key, mustGet(t, c, "b").Key})
		}},
		{"keys of two collections are apart", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Key: "k"})
			mustPut(t, s.collection(t), store.Write{ID: "a", Key: "k"})
		}},
	})
}
