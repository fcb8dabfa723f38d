package mongo

import (
	"context"
	"crypto/rand"
	"os"
	"strings"
	"testing"

	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest"
)

// serverURI is the server that the tests of this file need.
func serverURI(t *testing.T) string {
	t.Helper()
	uri := os.Getenv("MONGO_URI")
	if uri == "" {
		t.Skip("needs a server: run `make test-mongo`, which starts the stand-in, or set MONGO_URI to a MongoDB " +
			"on which databases named test-... may be created and dropped")
	}
	return uri
}

// freshName is the name of a database that does not exist and is dropped when the test ends.
func freshName(t *testing.T) string {
	t.Helper()
	uri, name := serverURI(t), "test-"+strings.ToLower(rand.Text())
	t.Cleanup(func() {
		db, err := Open(uri, name)
		if err != nil {
			t.Error(err)
			return
		}
		// The test's own context has ended by now.
		if err := db.database.Drop(context.Background()); err != nil {
			t.Errorf("drop %s: %v", name, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return name
}

func TestConformance(t *testing.T) {
	serverURI(t)
	storetest.Run(t, func(t *testing.T) store.Database {
		db, err := Open(serverURI(t), freshName(t))
		if err != nil {
			t.Fatal(err)
		}
		return db
	})
}

// What this proves of a server is that no acknowledgement comes before it has the whole write.
func TestCrashOfTheClient(t *testing.T) {
	uri := serverURI(t)
	storetest.Crash(t, freshName(t), func(_ context.Context, name string) (store.Database, error) {
		return Open(uri, name)
	})
}
