package bolt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"go.etcd.io/bbolt"

	"ticketing/pkg/store"
)

// hold keeps the writer busy with an operation that changes nothing, until release is called.
func hold(t *testing.T, db *DB) (release func()) {
	t.Helper()
	held, free := make(chan struct{}), make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		err := db.write(context.Background(), 0, func(*bbolt.Tx) (outcome, error) {
			close(held)
			<-free
			return outcome{}, nil
		})
		if err != nil {
			t.Errorf("holding operation: %v", err)
		}
	})
	<-held
	release = sync.OnceFunc(func() {
		close(free)
		done.Wait()
	})
	t.Cleanup(release)
	return release
}

// afterCommits has the writer call do after each commit from now on, in place of what it called before.
func afterCommits(t *testing.T, db *DB, do func()) {
	t.Helper()
	release := hold(t, db) // the owner reads update, so it is set while the owner is known to wait
	defer release()
	db.writer.update = func(fn func(*bbolt.Tx) error) error {
		err := db.file.Update(fn)
		if err == nil {
			do()
		}
		return err
	}
}

// countCommits counts the transactions that are committed from now on.
func countCommits(t *testing.T, db *DB) *int {
	t.Helper()
	commits := 0
	afterCommits(t, db, func() { commits++ })
	return &commits
}

// putTogether sends writes that all wait for the writer, and returns their outcomes in order. It runs in a bubble.
func putTogether(t *testing.T, db *DB, c store.Collection, ws []store.Write) []error {
	t.Helper()
	release := hold(t, db)
	outcomes := make([]error, len(ws))
	var all sync.WaitGroup
	for i, w := range ws {
		all.Go(func() { outcomes[i] = c.Put(context.Background(), w) })
	}
	synctest.Wait()
	release()
	all.Wait()
	return outcomes
}

func TestWaitingWritesShareCommits(t *testing.T) {
	for _, test := range []struct{ group, writes, commits int }{
		{group: defaults().group, writes: 200, commits: 1},
		{group: 3, writes: 3, commits: 1},
		{group: 3, writes: 7, commits: 3},
		{group: 1, writes: 2, commits: 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			db := openConfig(t, config{group: test.group}, filepath.Join(t.TempDir(), "test.db"))
			c := tickets(t, db)
			commits := countCommits(t, db)
			ws := make([]store.Write, test.writes)
			for i := range ws {
				ws[i].ID = fmt.Sprint(i)
			}
			for i, err := range putTogether(t, db, c, ws) {
				if err != nil {
					t.Errorf("write %d: %v", i, err)
				}
			}
			if *commits != test.commits {
				t.Errorf("%d writes in groups of %d took %d commits, want %d", test.writes, test.group, *commits, test.commits)
			}
		})
	}
}

func TestAConflictHurtsNoNeighbour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := openTickets(t)
		if err := c.Put(t.Context(), store.Write{ID: "taken", Key: "k"}); err != nil {
			t.Fatal(err)
		}
		ws := []store.Write{
			{ID: "a"}, {ID: "taken"}, {ID: "b"}, {ID: "c", Key: "k"}, {ID: "d", Revision: 3}, {ID: "e"},
		}
		want := []error{nil, store.ErrConflict, nil, store.ErrKeyTaken, store.ErrConflict, nil}
		for i, err := range putTogether(t, db, c, ws) {
			if !errors.Is(err, want[i]) {
				t.Errorf("write %d = %v, want %v", i, err, want[i])
			}
			_, err := c.Get(t.Context(), ws[i].ID)
			if stored := err == nil; stored != (want[i] == nil || ws[i].ID == "taken") {
				t.Errorf("record %s is stored: %t", ws[i].ID, stored)
			}
		}
	})
}

func TestWhatChangesNothingCommitsNothing(t *testing.T) {
	db, c := openTickets(t)
	commits := countCommits(t, db)
	if err := c.Put(t.Context(), store.Write{ID: "a", Revision: 1}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Put = %v, want ErrConflict", err)
	}
	if err := c.Forget(t.Context(), []store.Sent{{ID: "a", Versions: []int64{0}}}); err != nil {
		t.Errorf("Forget = %v, want success", err)
	}
	tickets(t, db) // opened again
	if *commits != 0 {
		t.Errorf("%d commits, want none", *commits)
	}
	if err := db.Ping(t.Context()); err != nil || *commits != 1 {
		t.Errorf("Ping = %v with %d commits, want success with one", err, *commits)
	}
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := openTickets(t)
		release := hold(t, db)

		// Given a write that waits for the writer, when its context ends,
		ctx, cancel := context.WithCancel(t.Context())
		waiting := make(chan error, 1)
		go func() { waiting <- c.Put(ctx, store.Write{ID: "a"}) }()
		synctest.Wait()
		cancel()
		// then it returns at once and is never stored.
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v, want context.Canceled", err)
		}
		release()
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get = %v, want ErrNotFound", err)
		}
	})
}

// The writer has taken the operation already, with others before it in the same group.
func TestTheWriterSkipsACallerThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := openTickets(t)
		release := hold(t, db)

		// Given a group of two operations,
		running, free := make(chan struct{}), make(chan struct{})
		var first sync.WaitGroup
		first.Go(func() {
			err := db.write(context.Background(), 1, func(*bbolt.Tx) (outcome, error) {
				close(running)
				<-free
				return outcome{changed: true}, nil
			})
			if err != nil {
				t.Errorf("the first operation: %v", err)
			}
		})
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		second := make(chan error, 1)
		go func() { second <- c.Put(ctx, store.Write{ID: "a"}) }()
		synctest.Wait()
		release()
		// when the context of the second ends while the first runs,
		<-running
		cancel()
		if err := <-second; !errors.Is(err, context.Canceled) {
			t.Errorf("Put = %v, want context.Canceled", err)
		}
		close(free)
		first.Wait()
		// then the second is not stored.
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get = %v, want ErrNotFound", err)
		}
	})
}

func TestACallerMayLeaveWhileItsWriteRuns(t *testing.T) {
	db, _ := openTickets(t)
	ctx, cancel := context.WithCancel(t.Context())
	running, free := make(chan struct{}), make(chan struct{})
	left := make(chan error)
	go func() {
		left <- db.write(ctx, 1, func(*bbolt.Tx) (outcome, error) {
			close(running)
			<-free
			return outcome{changed: true}, nil
		})
	}()
	<-running
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("write = %v, want context.Canceled", err)
	}
	close(free)
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("Ping afterwards = %v, want success", err)
	}
}

func TestAFailedCommitFailsItsGroupOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, c := openTickets(t)
		full := errors.New("no space left on device")
		release := hold(t, db)
		update := db.writer.update
		db.writer.update = func(fn func(*bbolt.Tx) error) error {
			return update(func(tx *bbolt.Tx) error { return errors.Join(fn(tx), full) })
		}
		release()

		ws := []store.Write{{ID: "a"}, {ID: "b"}, {ID: "c"}}
		for i, err := range putTogether(t, db, c, ws) {
			if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, full) {
				t.Errorf("write %d = %v, want ErrUnavailable with its cause", i, err)
			}
		}
		if _, err := c.Get(t.Context(), "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get = %v, want ErrNotFound", err)
		}

		release = hold(t, db)
		db.writer.update = update
		release()
		if err := c.Put(t.Context(), store.Write{ID: "a"}); err != nil {
			t.Errorf("Put when there is space again = %v, want success", err)
		}
	})
}

// A commit whose last sync failed shows in memory and may not be on disk: to write on would reuse the
// pages that the disk still needs.
func TestNothingIsWrittenAfterACommitInDoubt(t *testing.T) {
	db, c := openTickets(t)
	release := hold(t, db)
	update, transactions := db.writer.update, 0
	db.writer.update = func(fn func(*bbolt.Tx) error) error {
		transactions++
		return errors.Join(update(fn), errors.New("sync: input/output error"))
	}
	release()
	for _, id := range []string{"a", "b"} {
		if err := c.Put(t.Context(), store.Write{ID: id}); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Put(%s) = %v, want ErrUnavailable", id, err)
		}
	}
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Ping afterwards = %v, want ErrUnavailable", err)
	}
	if _, err := c.Get(t.Context(), "a"); err != nil {
		t.Errorf("Get afterwards = %v, want the record", err)
	}
	if transactions != 1 {
		t.Errorf("%d transactions, want only the one in doubt", transactions)
	}
}

func TestCloseWaitsForARunningWrite(t *testing.T) {
	db, c := openTickets(t)
	path := db.file.Path()
	running, free := make(chan struct{}), make(chan struct{})
	written, closed := make(chan error, 1), make(chan error, 1)
	go func() {
		written <- db.write(context.Background(), 1, func(*bbolt.Tx) (outcome, error) {
			close(running)
			<-free
			return outcome{changed: true}, nil
		})
	}()
	<-running
	go func() { closed <- db.Close() }()
	select {
	case err := <-closed:
		t.Fatalf("Close = %v while a write was running", err)
	default:
	}
	close(free)
	if err := errors.Join(<-written, <-closed); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), store.Write{ID: "a"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put after Close = %v, want ErrUnavailable", err)
	}
	open(t, path)
}
