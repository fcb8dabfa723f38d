package mongo

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"ticketing/pkg/store"
)

func TestOpenRefusesWhatCannotBeRight(t *testing.T) {
	tests := map[string]struct{ uri, name string }{
		"no URI":              {"", "tickets"},
		"another scheme":      {"http://127.0.0.1/", "tickets"},
		"no host":             {"mongodb://", "tickets"},
		"bad port":            {"mongodb://127.0.0.1:x/", "tickets"},
		"unknown auth":        {"mongodb://a:b@127.0.0.1/?authMechanism=none", "tickets"},
		"no name":             {"mongodb://127.0.0.1/", ""},
		"name with a dot":     {"mongodb://127.0.0.1/", "a.b"},
		"name with a slash":   {"mongodb://127.0.0.1/", "a/b"},
		"name that is long":   {"mongodb://127.0.0.1/", strings.Repeat("x", 64)},
		"name with a newline": {"mongodb://127.0.0.1/", "tickets\n"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			db, err := Open(test.uri, test.name)
			if err == nil {
				_ = db.Close()
				t.Error("opened")
			}
		})
	}
}

// A service may start before its database: Open succeeds, and each call says that the server is away.
func TestServerIsAway(t *testing.T) {
	for name, uri := range map[string]string{
		"nothing listens":   "mongodb://" + closedPort(t) + "/?serverSelectionTimeoutMS=200",
		"nobody answers":    "mongodb://" + silentServer(t) + "/?serverSelectionTimeoutMS=200&connectTimeoutMS=200",
		"only a secondary":  "mongodb://" + closedPort(t) + "/?serverSelectionTimeoutMS=200&readPreference=secondary",
		"wrong replica set": "mongodb://" + standaloneServer(t) + "/?serverSelectionTimeoutMS=200&replicaSet=other",
	} {
		t.Run(name, func(t *testing.T) {
			db, err := Open(uri, "tickets")
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("ping: %v, want ErrUnavailable", err)
			}
			if _, err := db.Collection(t.Context(), store.Spec{Name: "tickets"}); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("collection: %v, want ErrUnavailable", err)
			}
			cancelled, cancel := context.WithCancel(t.Context())
			cancel()
			if err := db.Ping(cancelled); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrUnavailable) {
				t.Errorf("ping with a cancelled context: %v, want context.Canceled", err)
			}
			if err := db.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
	}
}

func TestCollectionRefusesNamesThatMeanSomethingElse(t *testing.T) {
	db, err := Open("mongodb://"+closedPort(t)+"/?serverSelectionTimeoutMS=200", "tickets")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, spec := range []store.Spec{
		{Name: "tickets", Indexes: []string{"a.b"}},
		{Name: "tickets", Indexes: []string{"$where"}},
		{Name: "system.users"},
	} {
		if _, err := db.Collection(t.Context(), spec); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("collection %+v: %v, want a refusal", spec, err)
		}
	}
}

// Close waits for a call that runs, lets no other begin, and may be repeated.
func TestCloseWaitsForRunningCalls(t *testing.T) {
	// given a call that runs
	db, err := Open("mongodb://"+closedPort(t)+"/?serverSelectionTimeoutMS=200", "tickets")
	if err != nil {
		t.Fatal(err)
	}
	end, err := db.begin()
	if err != nil {
		t.Fatal(err)
	}

	// when the database is closed and refuses new calls already
	closed := make(chan error, 1)
	go func() { closed <- db.Close() }()
	for {
		more, err := db.begin()
		if errors.Is(err, store.ErrUnavailable) {
			break
		}
		more()
	}

	// then it is not closed before the call has ended
	select {
	case <-closed:
		t.Error("closed under a running call")
	default:
	}
	end()
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("close again: %v", err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("ping afterwards: %v, want ErrUnavailable", err)
	}
}

// closedPort is an address where nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// silentServer is an address where connections are taken and nothing is ever said.
func silentServer(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// standaloneServer is the address of a server that belongs to no replica set.
func standaloneServer(t *testing.T) string {
	t.Helper()
	s := &scriptedServer{answer: written(1)}
	s.start(t)
	return s.listener.Addr().String()
}
