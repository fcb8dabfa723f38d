package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	stango "github.com/nats-io/stan.go"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt"
)

const clusterID = "ticketing"

// environment is where a measurement is taken: a folder of its own and a broker that keeps its events
// there and syncs them.
type environment struct {
	dir    string
	broker *stanserver.Server
	stock  *stock
	log    *slog.Logger
	cleanup
	named int
}

func newEnvironment(stock *stock, log *slog.Logger) (*environment, error) {
	dir, err := os.MkdirTemp("", "ticketing-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	env := &environment{dir: dir, stock: stock, log: log}
	env.add(func() error { return os.RemoveAll(dir) })
	env.broker, err = stanserver.Start(stanserver.Config{ClusterID: clusterID, Dir: filepath.Join(dir, "nats"), Logger: log})
	if err != nil {
		return nil, errors.Join(err, env.close())
	}
	env.add(func() error { env.broker.Shutdown(); return nil })
	return env, nil
}

// another is one more environment, with a broker of its own, that is closed with this one.
func (e *environment) another() (*environment, error) {
	another, err := newEnvironment(e.stock, e.log)
	if err != nil {
		return nil, err
	}
	e.add(another.close)
	return another, nil
}

// name returns a new name for a client, a group or a file.
func (e *environment) name(kind string) string {
	e.named++
	return fmt.Sprintf("%s-%d", kind, e.named)
}

// connect opens a bus connection that is closed with until, and waits until it is there.
func (e *environment) connect(ctx context.Context, until *cleanup, kind string) (bus.Conn, error) {
	conn, err := app.BusConfig{
		NATSURL: e.broker.URL(), NATSMonitorURL: e.broker.MonitorURL(),
		NATSClusterID: clusterID, NATSClientID: e.name(kind),
	}.Open(e.log)
	if err != nil {
		return nil, err
	}
	until.add(func() error { return app.CloseBus(conn) })
	return conn, conn.Connected(ctx)
}

// connectRaw opens a connection of stan.go itself, for references, that is closed with until.
func (e *environment) connectRaw(until *cleanup) (stango.Conn, error) {
	conn, err := stango.Connect(clusterID, e.name("raw"), stango.NatsURL(e.broker.URL()), stango.MaxPubAcksInflight(1024))
	if err != nil {
		return nil, fmt.Errorf("connect stan.go: %w", err)
	}
	until.add(conn.Close)
	return conn, nil
}

// database opens an empty database that is closed and removed with until.
func (e *environment) database(until *cleanup, kind string) (*bolt.DB, error) {
	path := filepath.Join(e.dir, e.name(kind)+".db")
	until.add(func() error { return os.Remove(path) })
	return openDatabase(until, path)
}

// openDatabase opens a database that is closed with until.
func openDatabase(until *cleanup, path string) (*bolt.DB, error) {
	db, err := bolt.Open(path)
	if err != nil {
		return nil, err
	}
	until.add(db.Close)
	return db, nil
}

// copyOfFull returns a copy of a full store of the stock. It is on the disk before anything is measured.
func (e *environment) copyOfFull(ctx context.Context, kind shelf, tickets int) (path string, err error) {
	full, err := e.stock.full(ctx, kind, tickets)
	if err != nil {
		return "", err
	}
	path = filepath.Join(e.dir, e.name(kind.service)+".db")
	if err := copyFile(path, full); err != nil {
		return "", fmt.Errorf("copy the store of %s: %w", kind.service, err)
	}
	return path, nil
}

func copyFile(to, from string) (err error) {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	if _, err := io.Copy(target, source); err != nil {
		return err
	}
	return target.Sync()
}

// records opens the tickets of an empty database that is closed and removed with until.
func (e *environment) records(ctx context.Context, until *cleanup, kind string) (store.Collection, error) {
	db, err := e.database(until, kind)
	if err != nil {
		return nil, err
	}
	return db.Collection(ctx, store.Spec{Name: "tickets"})
}

// background runs a service until until is closed, which waits for its end.
func background(until *cleanup, run func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	until.add(func() error { cancel(); return <-ended })
}

// cleanup is what has to be ended, last thing first.
type cleanup struct{ steps []func() error }

func (c *cleanup) add(step func() error) { c.steps = append(c.steps, step) }

func (c *cleanup) close() error {
	var errs []error
	for i := len(c.steps) - 1; i >= 0; i-- {
		errs = append(errs, c.steps[i]())
	}
	c.steps = nil
	return errors.Join(errs...)
}
