package bolt_test

import (
	"context"
	"path/filepath"
	"testing"

	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt"
	"ticketing/pkg/store/storetest"
)

func TestStore(t *testing.T) {
	size := storetest.Size{Updates: 10, Batch: 1000, Walks: 100}
	storetest.RunSize(t, size, func(t *testing.T) store.Database { return open(t, filepath.Join(t.TempDir(), "test.db")) })
}

// open opens a file that is closed with the test; a test that closes it earlier may.
func open(t *testing.T, path string) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close %s: %v", path, err)
		}
	})
	return db
}

func TestKillInTheMiddleOfWrites(t *testing.T) {
	storetest.Crash(t, filepath.Join(t.TempDir(), "crash.db"), func(_ context.Context, path string) (store.Database, error) {
		return bolt.Open(path)
	})
}
