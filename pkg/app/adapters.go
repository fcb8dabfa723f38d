package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"ticketing/pkg/bus/stan"
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

// BusConfig says where the broker is.
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

// Open opens the connection; it does not wait for the broker. The caller closes it.
func (c BusConfig) Open(log *slog.Logger) (*stan.Conn, error) {
	conn, err := stan.Open(stan.Config{
		URL: c.NATSURL, MonitorURL: c.NATSMonitorURL, ClusterID: c.NATSClusterID, ClientID: c.NATSClientID,
		Credentials: c.Credentials, TLS: c.TLSFiles,
	}, log)
	if err != nil {
		return nil, fmt.Errorf("NATS_URL, NATS_MONITOR_URL, NATS_CLUSTER_ID, NATS_CLIENT_ID, credentials or TLS: %w", err)
	}
	return conn, nil
}

// CloseBus leaves the bus, within the time that is left of a shutdown.
func CloseBus(conn *stan.Conn) error {
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
}

// Sessions returns the sessions under that key.
func (c SessionConfig) Sessions() (*identity.Sessions, error) {
	sessions, err := identity.NewSessions([]byte(c.JWTKey), c.SessionTTL, time.Now)
	if err != nil {
		return nil, fmt.Errorf("JWT_KEY or SESSION_TTL: %w", err)
	}
	return sessions, nil
}
