package bolt

import (
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest"
)

func TestMain(m *testing.M) {
	if place := os.Getenv(holdPlace); place != "" {
		os.Exit(holdFile(place))
	}
	if storetest.InChild() { // it ends by kill -9, or with its parent
		os.Exit(m.Run())
	}
	goleak.VerifyTestMain(m)
}

// open opens a file that is closed with the test; a test that closes it earlier may.
func open(t *testing.T, path string) *DB {
	t.Helper()
	return openConfig(t, defaults(), path)
}

func openConfig(t *testing.T, cfg config, path string) *DB {
	t.Helper()
	db, err := cfg.open(path)
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

// openTickets opens a fresh file with one collection.
func openTickets(t *testing.T) (*DB, store.Collection) {
	t.Helper()
	db := open(t, filepath.Join(t.TempDir(), "test.db"))
	return db, tickets(t, db)
}

func tickets(t *testing.T, db *DB) store.Collection {
	t.Helper()
	c, err := db.Collection(t.Context(), store.Spec{Name: "tickets", Indexes: []string{"user"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
