package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/FerretDB/FerretDB/ferretdb"
)

// ferret is an embedded FerretDB.
type ferret struct {
	server *ferretdb.FerretDB
	// address is where it listens, on loopback.
	address string
	// temporary is the directory to remove at the end; empty where the caller named one.
	temporary string
}

// openFerret opens the databases in dir, which is created where it is missing; an empty dir stands
// for a temporary one. run serves them.
func openFerret(dir string, logger *slog.Logger) (*ferret, error) {
	f := &ferret{}
	var err error
	if dir == "" {
		if dir, err = os.MkdirTemp("", "wireserver-"); err != nil {
			return nil, fmt.Errorf("create database directory: %w", err)
		}
		f.temporary = dir
	}
	if dir, err = filepath.Abs(dir); err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		f.remove()
		return nil, fmt.Errorf("create database directory: %w", err)
	}

	f.server, err = ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Logger:    logger,
		Handler:   "sqlite",
		SQLiteURL: "file:" + dir + "/",
	})
	if err != nil {
		f.remove()
		return nil, fmt.Errorf("open FerretDB in %s: %w", dir, err)
	}
	f.address = strings.Trim(strings.TrimPrefix(f.server.MongoDBURI(), "mongodb://"), "/")
	return f, nil
}

// run serves until ctx ends.
func (f *ferret) run(ctx context.Context) error {
	if err := f.server.Run(ctx); err != nil {
		return fmt.Errorf("run FerretDB: %w", err)
	}
	return nil
}

// remove deletes the directory, if it is a temporary one. What cannot be deleted is left to the system.
func (f *ferret) remove() {
	if f.temporary != "" {
		_ = os.RemoveAll(f.temporary)
	}
}
