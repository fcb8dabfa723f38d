package app_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/store"
)

func TestAStoreIsOneOfTwo(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	if err := os.WriteFile(file, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	const mongoURI = "mongodb://127.0.0.1:1"
	for _, tt := range []struct {
		name string
		cfg  app.StoreConfig
		want string // of the error; empty where it opens
	}{
		{"none", app.StoreConfig{}, "no store: set MONGO_URI, or BOLT_FILE"},
		{"a database alone", app.StoreConfig{MongoDatabase: "tickets"}, "no store"},
		{"both", app.StoreConfig{MongoURI: mongoURI, BoltFile: filepath.Join(folder, "both.db")}, "both set"},
		{"bolt", app.StoreConfig{BoltFile: filepath.Join(folder, "new.db")}, ""},
		{"bolt in no folder", app.StoreConfig{BoltFile: filepath.Join(file, "x.db")}, "BOLT_FILE: "},
		{"bolt of something else", app.StoreConfig{BoltFile: file}, "BOLT_FILE: "},
		{"mongo", app.StoreConfig{MongoURI: mongoURI}, ""},
		{"mongo, another database", app.StoreConfig{MongoURI: mongoURI, MongoDatabase: "tickets"}, ""},
		{"mongo, a database that cannot be", app.StoreConfig{MongoURI: mongoURI, MongoDatabase: "a.b"}, "MONGO_URI: "},
		{"mongo of another scheme", app.StoreConfig{MongoURI: "http://127.0.0.1"}, "MONGO_URI: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			db, err := tt.cfg.Open("demo")
			if err == nil {
				defer closeStore(t, db)
			}
			if (err == nil) != (tt.want == "") || (err != nil && !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("Open = %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(folder, "both.db")); err == nil {
		t.Error("a store was opened although two were named")
	}
}

func closeStore(t *testing.T, db store.Database) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
}

// An error never repeats a password.
func TestABadURIKeepsItsPassword(t *testing.T) {
	const secret = "hunter2"
	_, err := app.StoreConfig{MongoURI: "mongodb://ann:" + secret + "@"}.Open("demo")
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("MONGO_URI: %v", err)
	}
	_, err = app.BusConfig{NATSURL: "nats://ann:" + secret + "@%zz", NATSClusterID: "ticketing", NATSClientID: "demo"}.
		Open(slog.New(slog.DiscardHandler))
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("NATS_URL: %v", err)
	}
}

func TestABusIsOpenedAndLeft(t *testing.T) {
	broker := stantest.Start(t)
	good := app.BusConfig{
		NATSURL: broker.URL(), NATSMonitorURL: broker.MonitorURL(), NATSClusterID: stantest.ClusterID, NATSClientID: "demo",
	}
	log := slog.New(slog.DiscardHandler)
	for name, change := range map[string]func(*app.BusConfig){
		"NATS_URL":         func(c *app.BusConfig) { c.NATSURL = "http://127.0.0.1" },
		"NATS_MONITOR_URL": func(c *app.BusConfig) { c.NATSMonitorURL = "nats://127.0.0.1" },
		"NATS_CLUSTER_ID":  func(c *app.BusConfig) { c.NATSClusterID = "" },
		"NATS_CLIENT_ID":   func(c *app.BusConfig) { c.NATSClientID = "pod.7" },
	} {
		bad := good
		change(&bad)
		if _, err := bad.Open(log); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("bad %s: %v", name, err)
		}
	}
	for range 2 { // the client id is free again
		conn, err := good.Open(log)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Connected(t.Context()); err != nil {
			t.Error(err)
		}
		if err := app.CloseBus(conn); err != nil {
			t.Errorf("CloseBus = %v", err)
		}
	}
	// also where nobody answers, leaving is no error and takes no longer than a shutdown has
	broker.Shutdown()
	conn, err := good.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.CloseBus(conn); err != nil {
		t.Errorf("CloseBus without a broker = %v", err)
	}
}

func TestBooksAreReadWithoutAConnection(t *testing.T) {
	broker := stantest.Start(t)
	if err := stantest.Connect(t, broker, "publisher").Publish(t.Context(), "ticket:created", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	books, err := app.BusConfig{NATSMonitorURL: broker.MonitorURL()}.OpenBooks()
	if err != nil {
		t.Fatal(err)
	}
	defer books.Close()
	if channel, err := books.Channel(t.Context(), "ticket:created"); err != nil || channel.LastSeq != 1 {
		t.Errorf("the books show %+v, %v, want one event", channel, err)
	}
	if books, err := (app.BusConfig{NATSMonitorURL: "nats://127.0.0.1"}).OpenBooks(); err == nil || books != nil {
		t.Errorf("the books of a URL of another scheme: %v, %v", books, err)
	}
}

func TestWhatTheBrokerCannotDoIsRefused(t *testing.T) {
	for name, want := range map[string]error{"ticket:created": nil, "": bus.ErrChannel, "ticket created": bus.ErrChannel} {
		if err := app.CheckChannel(name); !errors.Is(err, want) {
			t.Errorf("channel %q: %v, want %v", name, err, want)
		}
		if err := app.CheckSubscription(bus.Subscription{Channel: name}); !errors.Is(err, want) {
			t.Errorf("subscription to %q: %v, want %v", name, err, want)
		}
	}
	if err := app.CheckSubscription(bus.Subscription{Channel: "a", AckWait: 1}); !errors.Is(err, bus.ErrSubscription) {
		t.Errorf("an AckWait of a nanosecond: %v, want ErrSubscription", err)
	}
}

func TestSessionsNeedAKeyAndATime(t *testing.T) {
	key := strings.Repeat("k", 32)
	for _, tt := range []struct {
		name string
		cfg  app.SessionConfig
		ok   bool
	}{
		{"good", app.SessionConfig{JWTKey: key, SessionTTL: time.Second}, true},
		{"no key", app.SessionConfig{SessionTTL: time.Hour}, false},
		{"a key of 31 bytes", app.SessionConfig{JWTKey: key[1:], SessionTTL: time.Hour}, false},
		{"no time", app.SessionConfig{JWTKey: key}, false},
		{"a negative time", app.SessionConfig{JWTKey: key, SessionTTL: -1}, false},
	} {
		_, err := tt.cfg.Sessions()
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && (!strings.HasPrefix(err.Error(), "JWT_KEY or SESSION_TTL: ") || strings.Contains(err.Error(), "kkkk")) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
