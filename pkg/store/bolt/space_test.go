//go:build unix

package bolt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"ticketing/pkg/store"
)

// limitFiles lets no file of this process be written beyond a size, as a full disk would, and returns
// what lifts the limit.
func limitFiles(t *testing.T, size int64) (lift func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit := before
	limit.Cur = uint64(size)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	lift = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		lift()
		signal.Reset(syscall.SIGXFSZ)
	})
	return lift
}

// limitedProcess is the environment variable of a process that may limit its files: the limit holds for
// all that it writes, which in the process that a person started can be the output of the tests.
const limitedProcess = "BOLT_TEST_LIMITED"

func TestAFullDisk(t *testing.T) {
	if os.Getenv(limitedProcess) == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^TestAFullDisk$", "-test.v")
		child.Env = append(os.Environ(), limitedProcess+"=yes")
		if output, err := child.CombinedOutput(); err != nil {
			t.Errorf("in a process of its own: %v\n%s", err, output)
		}
		return
	}
	for _, test := range []struct {
		name  string
		limit func(size int64) int64
		ping  error
	}{
		{"the file cannot grow", func(size int64) int64 { return size }, nil},
		{"no page can be written", func(int64) int64 { return 1 }, store.ErrUnavailable},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Given records, and a disk that is full from now on.
			db, c := openTickets(t)
			path := db.file.Path()
			big := bytes.Repeat([]byte("x"), 1<<20)
			if err := c.Put(t.Context(), store.Write{ID: "old", State: big}); err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			lift := limitFiles(t, test.limit(info.Size()))

			// When writes go on until one fails, then it says so and is not there.
			stored := 0
			for err == nil {
				if err = c.Put(t.Context(), store.Write{ID: fmt.Sprint(stored), State: big}); err == nil {
					stored++
				}
			}
			if !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("Put = %v, want ErrUnavailable", err)
			}
			if _, err := c.Get(t.Context(), fmt.Sprint(stored)); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get of what failed = %v, want ErrNotFound", err)
			}
			if err := db.Ping(t.Context()); !errors.Is(err, test.ping) {
				t.Errorf("Ping = %v, want %v", err, test.ping)
			}

			// And when there is space again, then everything goes on, and the file is sound.
			lift()
			if err := c.Put(t.Context(), store.Write{ID: fmt.Sprint(stored), State: big}); err != nil {
				t.Errorf("Put when there is space again = %v, want success", err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			wantSound(t, path)
			rs, err := tickets(t, open(t, path)).List(t.Context(), store.Query{Limit: 1000})
			if err != nil || len(rs) != stored+2 {
				t.Errorf("%d records afterwards, %v, want %d", len(rs), err, stored+2)
			}
		})
	}
}
