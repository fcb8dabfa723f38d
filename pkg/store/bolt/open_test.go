package bolt

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ticketing/pkg/store"
)

// holdPlace is the environment variable that makes the test binary a process that holds a file.
const holdPlace = "BOLT_TEST_HOLD"

// holdFile opens a file and keeps it until standard input ends.
func holdFile(path string) int {
	db, err := Open(path)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := db.Close(); err != nil {
		return 1
	}
	return 0
}

func TestOpenOfAFileInUse(t *testing.T) {
	// Given another process that has the file open.
	path := filepath.Join(t.TempDir(), "test.db")
	holder := exec.Command(os.Args[0])
	holder.Env = append(os.Environ(), holdPlace+"="+path)
	release, err := holder.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "held\n" {
		t.Fatalf("the holder says %q, %v", line, err)
	}

	// When this one opens it, then it is told why it cannot.
	_, err = Open(path)
	want := "open " + path + ": the file is in use by another process"
	if err == nil || err.Error() != want {
		t.Errorf("Open = %v, want %s", err, want)
	}

	// And when the other has ended, then it can.
	if err := release.Close(); err != nil {
		t.Fatal(err)
	}
	if err := holder.Wait(); err != nil {
		t.Fatalf("holder: %v", err)
	}
	open(t, path)
}

func TestOpenOfWhatIsNoDatabase(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, path, reason string }{
		{"missing folder", filepath.Join(folder, "missing", "test.db"), "no such file or directory"},
		{"folder that is a file", filepath.Join(text, "test.db"), "not a directory"},
		{"file that is a folder", folder, "is a directory"},
		{"file of something else", text, "invalid database"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(test.path)
			if err == nil || !strings.HasPrefix(err.Error(), "open ") || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("Open(%s) = %v, want the reason %q", test.path, err, test.reason)
			}
		})
	}
}

func TestOpenInAFolderThatCannotBeWritten(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write anywhere, so there is no such folder")
	}
	folder := t.TempDir()
	if err := os.Chmod(folder, 0o500); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(folder, "test.db")); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("Open = %v, want permission denied", err)
	}
}

// A file removed under a running process takes writes for ever and keeps none.
func TestAFileThatWasRemovedIsNoStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	c, err := db.Collection(t.Context(), store.Spec{Name: "things"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := c.Put(t.Context(), store.Write{ID: "a"}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Put: %v, want ErrUnavailable", err)
	}
	if err := db.Ping(t.Context()); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "removed") {
		t.Errorf("Ping: %v, want ErrUnavailable with the reason", err)
	}
}

func TestAReadThatCannotBegin(t *testing.T) {
	db, c := openTickets(t)
	if err := db.file.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Get(t.Context(), "a"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get = %v, want ErrUnavailable", err)
	}
}
