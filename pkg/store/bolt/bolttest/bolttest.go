// Package bolttest gives tests a database of their own.
package bolttest

import (
	"path/filepath"
	"testing"

	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt"
)

// Open opens an empty database that is closed and removed with the test.
func Open(t testing.TB) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(filepath.Join(t.TempDir(), "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Collection opens a collection of an empty database.
func Collection(t testing.TB, spec store.Spec) store.Collection {
	t.Helper()
	records, err := Open(t).Collection(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return records
}
