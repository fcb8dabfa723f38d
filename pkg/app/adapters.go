package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan"
	"ticketing/pkg/bus/stan/stanlimits"
	"ticketing/pkg/identity"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt"
	"ticketing/pkg/store/mongo"
)

// StoreConfig chooses a process's store: one of the two.
type StoreConfig struct {
	// MongoURI is a MongoDB server, "mongodb://...", and MongoDatabase the service's database on it.
	MongoURI      string `envconfig:"MONGO_URI"`
	MongoDatabase string `envconfig:"MONGO_DATABASE"`
	// BoltFile is a file of this process alone.
	BoltFile string `envconfig:"BOLT_FILE"`
}

// Open opens the store that is configured; database is used where MONGO_DATABASE is not set. It does not wait
// for a server. With a bolt file it calls AllowForSyncs. The caller closes the store.
func (c StoreConfig) Open(database string) (store.Database, error) {
	if c.MongoDatabase != "" {
		database = c.MongoDatabase
	}
	switch {
	case c.MongoURI != "" && c.BoltFile != "":
		return nil, errors.New("MONGO_URI and BOLT_FILE are both set; a service has one store")
	case c.MongoURI != "":
		db, err := mongo.Open(c.MongoURI, database)
		if err != nil {
			return nil, fmt.Errorf("MONGO_URI: %w", err)
		}
		return db, nil
	case c.BoltFile != "":
		db, err := bolt.Open(c.BoltFile)
		if err != nil {
			return nil, fmt.Errorf("BOLT_FILE: %w", err)
		}
		AllowForSyncs(1)
		return db, nil
	}
	return nil, errors.New("no store: set MONGO_URI, or BOLT_FILE to a file of this process alone")
}

// BusConfig is where the broker is. It decides which broker that is: other packages know only the port, bus.Conn.
type BusConfig struct {
	NATSURL        string `envconfig:"NATS_URL" default:"nats://127.0.0.1:4222"`
	NATSMonitorURL string `envconfig:"NATS_MONITOR_URL" default:"http://127.0.0.1:8222"`
	NATSClusterID  string `envconfig:"NATS_CLUSTER_ID" default:"ticketing"`
	// NATSClientID must be unique among all that are connected; on Kubernetes it is the pod's name.
	NATSClientID string `envconfig:"NATS_CLIENT_ID" required:"true"`
	// What the broker demands, if anything.
	stan.Credentials
	stan.TLSFiles
}

// Open opens the connection. It does not wait for the broker. A nil log discards. The caller closes the connection.
func (c BusConfig) Open(log *slog.Logger) (bus.Conn, error) {
	conn, err := stan.Open(stan.Config{
		URL: c.NATSURL, MonitorURL: c.NATSMonitorURL, ClusterID: c.NATSClusterID, ClientID: c.NATSClientID,
		Credentials: c.Credentials, TLS: c.TLSFiles,
	}, log)
	if err != nil {
		return nil, fmt.Errorf("NATS_URL, NATS_MONITOR_URL, NATS_CLUSTER_ID, NATS_CLIENT_ID, credentials or TLS: %w", err)
	}
	return conn, nil
}

// Books are the broker's books, read without a connection to the bus. The caller closes them.
type Books interface {
	bus.Inspector
	// Close ends the network connections that are kept for the next question.
	Close()
}

// OpenBooks returns the broker's books at NATSMonitorURL; it needs no other field. It asks nothing yet: an error means
// that the URL is wrong.
func (c BusConfig) OpenBooks() (Books, error) {
	monitor, err := stan.NewMonitor(c.NATSMonitorURL)
	if err != nil {
		return nil, err
	}
	return monitor, nil
}

// CheckChannel returns bus.ErrChannel, with the reason, unless the broker can store a channel of this name. It does no
// I/O.
func CheckChannel(name string) error { return stanlimits.CheckChannel(name) }

// CheckSubscription returns bus.ErrChannel or bus.ErrSubscription, with the reason, unless the broker can do what s asks.
// It does no I/O.
func CheckSubscription(s bus.Subscription) error {
	_, err := stanlimits.Subscription(s)
	return err
}

// CloseBus leaves the bus, within the time that is left of a shutdown.
func CloseBus(conn bus.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	return conn.Close(ctx)
}

// SessionConfig is what services must share to know one another's users.
type SessionConfig struct {
	// JWTKey signs session cookies, at least 32 bytes.
	JWTKey string `envconfig:"JWT_KEY" required:"true"`
	// SessionTTL is how long one is valid.
	SessionTTL time.Duration `envconfig:"SESSION_TTL" default:"168h"`
	// SessionCookie is the name of the cookie; empty stands for identity.CookieName.
	SessionCookie string `envconfig:"SESSION_COOKIE"`
}

// Sessions returns the sessions under that key.
func (c SessionConfig) Sessions() (*identity.Sessions, error) {
	sessions, err := identity.NewSessions([]byte(c.JWTKey), c.SessionTTL, time.Now)
	if err != nil {
		return nil, fmt.Errorf("JWT_KEY or SESSION_TTL: %w", err)
	}
	if c.SessionCookie == "" {
		return sessions, nil
	}
	if sessions, err = sessions.Named(c.SessionCookie); err != nil {
		return nil, fmt.Errorf("SESSION_COOKIE: %w", err)
	}
	return sessions, nil
}
