package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ticketing/pkg/store"
)

// crashRounds is how often the process is killed; crashWrites is how many acknowledgements it may
// reach before.
const (
	crashRounds = 6
	crashWrites = 400
)

// crashPlace is the environment variable that makes a test binary the process to be killed.
const crashPlace = "STORETEST_CRASH_PLACE"

// InChild says whether this process is the one that Crash kills. A TestMain that starts a server asks
// it: the child uses the server of its parent.
func InChild() bool {
	return os.Getenv(crashPlace) != ""
}

// Crash proves that what was acknowledged survives kill -9 of the process that wrote it, and that
// nothing is left half written: state, version, outbox, unique key and index of a record agree.
//
//	test ── starts ──> itself again: writes, and prints each acknowledgement
//	  └── kill -9 in the middle, then opens the place and compares with what was printed
//
// Call it at the top level of a test or subtest of its own; that test is run again in the child. place
// is an empty database as open understands it in both processes: a file, or a server with a database
// name. Where the database is a server, killing its client proves less: that no acknowledgement comes
// before the server has the whole write. What the server keeps when it dies itself is not seen here.
func Crash(t *testing.T, place string, open func(ctx context.Context, place string) (store.Database, error)) {
	if InChild() {
		runLoad(t, func(ctx context.Context) (store.Database, error) { return open(ctx, os.Getenv(crashPlace)) })
		return
	}
	book := newLedger()
	for round := range crashRounds {
		limit := 1 + rand.N(crashWrites)
		runChild(t, place, book, limit)
		db, err := open(t.Context(), place)
		if err != nil {
			t.Fatalf("round %d: open after the kill: %v", round, err)
		}
		book.check(t, openCollection(t, db, crashSpec()))
		if err := db.Close(); err != nil {
			t.Fatalf("round %d: close: %v", round, err)
		}
		if t.Failed() {
			t.Fatalf("round %d: killed after %d acknowledgements", round, limit)
		}
	}
	if book.acknowledged == 0 {
		t.Error("nothing was acknowledged, so nothing was proved")
	}
	t.Logf("%d acknowledged writes survived %d kills", book.acknowledged, crashRounds)
}

// runChild starts the process, kills it after so many acknowledgements, and books all that it printed.
func runChild(t *testing.T, place string, book *ledger, limit int) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	// Killed, it cannot remove the folder that its own t.TempDir made: that goes with this test's.
	child.Env = append(os.Environ(), crashPlace+"="+place, "TMPDIR="+t.TempDir())
	child.Stderr = os.Stderr
	hold, err := child.StdinPipe() // the child ends when this closes, so it cannot outlive the test
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	output, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	other, killed := book.follow(output, limit, child.Process.Kill)
	err = child.Wait()
	if !killed {
		t.Fatalf("the child ended by itself: %v\n%s", err, other)
	}
}

// follow books the child's lines until its output ends, and kills it at the limit. It returns the
// lines that are no bookings, and whether the child was killed.
func (l *ledger) follow(output io.Reader, limit int, kill func() error) (other string, killed bool) {
	before := l.acknowledged
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if !l.book(lines.Text()) {
			other += lines.Text() + "\n"
		}
		if !killed && l.acknowledged-before >= limit {
			killed = kill() == nil
		}
	}
	return other, killed
}

// crashSpec is the collection that the child writes.
func crashSpec() store.Spec {
	return store.Spec{Name: "crash", Indexes: []string{"user", "status"}}
}

// crashWrite is the write that brings a record from a revision to the next one: all that it holds
// follows from its id and revision, so a mixture of two writes shows.
func crashWrite(id string, revision int64) store.Write {
	next := revision + 1
	w := store.Write{
		ID:       id,
		Revision: revision,
		Version:  revision,
		Key:      crashKey(id, next),
		Index:    map[string]string{"user": fmt.Sprint("user-", next%3), "status": fmt.Sprint("status-", next%2)},
		State:    fmt.Appendf(nil, "%s at %d %s", id, next, strings.Repeat(".", int(next*37%3000))),
		Emit:     crashEvent(id, revision),
	}
	if next%4 == 0 {
		w.Early = map[int64]store.Event{next + 5: crashEvent(id, next+5)[0]}
	}
	return w
}

func crashEvent(id string, version int64) []store.Event {
	return []store.Event{{Channel: "crash", At: moment(int(version)), Data: fmt.Appendf(nil, "%s %d", id, version)}}
}

// crashKey changes with every write, and is the id in every third.
func crashKey(id string, revision int64) string {
	if revision%3 == 0 {
		return id
	}
	return fmt.Sprintf("%s/%d", id, revision%3)
}
