// Package bolt keeps a service's records in one file, with go.etcd.io/bbolt: the store of a local run
// and of tests, and of any service that has one process and a disk.
//
//	Put, PutMany, Delete, Forget ──> writer ──> one bbolt transaction ──> fsync ──> answers
//	     (callers, encoding)        (owner)     (every waiting operation)
//
//	Get, GetMany, List, Pending ──> a snapshot of the file, beside the writer
//
// One goroutine owns all writing. It takes whatever operations wait, runs them in one transaction and
// answers each with its own outcome, so concurrent writers share the cost of one fsync and nobody
// waits for a timer.
//
// A file belongs to one process. Several members of a service in one process share one DB.
package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bberrors "go.etcd.io/bbolt/errors"

	"ticketing/pkg/store"
)

// lockTimeout is how long Open waits for a file that another process holds.
const lockTimeout = 500 * time.Millisecond

// config holds what only tests change.
type config struct {
	// group bounds how many records one transaction writes or drops, unless a single operation has more. It keeps the
	// changed pages, which bbolt holds in memory until the commit, to some megabytes.
	group int
}

func defaults() config { return config{group: 4096} }

// DB is a store.Database in one file. It is made by Open.
type DB struct {
	cfg    config
	file   *bbolt.DB
	codec  codec
	writer *writer

	// calls is held for reading by every running call, and for writing by Close.
	calls  sync.RWMutex
	closed bool
}

var _ store.Database = (*DB)(nil)

// Open opens the database file at path, or creates it in a folder that exists. It fails within a second if another
// process has the file open. The DB owns a goroutine until Close.
//
// The file stays consistent through a crash: bbolt never overwrites a page that the last committed
// transaction uses, and switches to a new transaction by one checksummed page after all others are
// synced. The list of free pages is written with every commit (NoFreelistSync is off): it costs a page or
// two per commit, and saves a scan of the whole file at each start and after each failed write.
func Open(path string) (*DB, error) { return defaults().open(path) }

func (cfg config) open(path string) (*DB, error) {
	codec, err := newCodec()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	file, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      lockTimeout,
		FreelistType: bbolt.FreelistMapType, // the array type slows down as free pages scatter
		NoStatistics: true,                  // nobody reads them, and they cost each read a lock
	})
	if errors.Is(err, bberrors.ErrTimeout) {
		return nil, fmt.Errorf("open %s: the file is in use by another process", path)
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), file.Close())
	}
	opened, err := os.Stat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), file.Close())
	}
	return &DB{cfg: cfg, file: file, codec: codec, writer: startWriter(cfg, file, opened)}, nil
}

// syncFolder makes the name of a new file durable, which bbolt leaves to its caller: without it a
// power cut soon after the first start could take the whole file away.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" { // folders cannot be synced there
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Collection implements store.Database.
func (db *DB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	if err := spec.Check(); err != nil {
		return nil, fmt.Errorf("open collection: %w", err)
	}
	c := newCollection(db, spec)
	err := db.write(ctx, 0, func(tx *bbolt.Tx) (outcome, error) {
		changed, err := createBuckets(tx, spec)
		return outcome{changed: changed}, err
	})
	if err != nil {
		return nil, fmt.Errorf("open collection %s: %w", spec.Name, err)
	}
	return c, nil
}

// Ping implements store.Database. It commits a transaction that changes no record, so a disk that has
// become read-only or broken, or a file that was removed, is noticed, also by a service that only reads. On a full disk it succeeds
// as long as the file has free pages, as small writes then do too.
func (db *DB) Ping(ctx context.Context) error {
	err := db.write(ctx, 0, func(*bbolt.Tx) (outcome, error) {
		return outcome{changed: true}, nil
	})
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// Close implements store.Database. Closing twice is allowed.
func (db *DB) Close() error {
	db.calls.Lock()
	defer db.calls.Unlock()
	if db.closed {
		return nil
	}
	db.closed = true
	db.writer.stop()
	if err := db.file.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}

// write hands an operation to the writer; size is the number of records it may write.
func (db *DB) write(ctx context.Context, size int, run operation) error {
	db.calls.RLock()
	defer db.calls.RUnlock()
	if db.closed {
		return errClosed()
	}
	return db.writer.do(ctx, size, run)
}

// read runs fn on a snapshot. What fn keeps must not point into the transaction's memory.
func (db *DB) read(ctx context.Context, fn func(tx *bbolt.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	db.calls.RLock()
	defer db.calls.RUnlock()
	if db.closed {
		return errClosed()
	}
	begun := false
	err := db.file.View(func(tx *bbolt.Tx) error {
		begun = true
		return fn(tx)
	})
	if err != nil && !begun {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}

func errClosed() error {
	return fmt.Errorf("%w: database is closed", store.ErrUnavailable)
}
