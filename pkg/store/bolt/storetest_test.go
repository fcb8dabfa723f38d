package bolt

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest"
)

func TestStore(t *testing.T) {
	size := storetest.Size{Updates: 10, Batch: 1000, Walks: 100}
	storetest.RunSize(t, size, func(t *testing.T) store.Database {
		return open(t, filepath.Join(t.TempDir(), "test.db"))
	})
}

func TestKillInTheMiddleOfWrites(t *testing.T) {
	storetest.Crash(t, filepath.Join(t.TempDir(), "crash.db"), func(_ context.Context, path string) (store.Database, error) {
		wantSound(t, path)
		return Open(path)
	})
}

// wantSound lets bbolt check a file that nobody has open: each page is used once or free.
func wantSound(t *testing.T, path string) {
	t.Helper()
	file, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	err = file.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("check %s: %v", path, err)
	}
	if err := file.Close(); err != nil {
		t.Fatalf("close %s: %v", path, err)
	}
}

// An index value that contains what could separate it from an id must not be taken for another.
func TestIndexValuesOfAnyBytes(t *testing.T) {
	_, c := openTickets(t)
	values := map[string]string{
		"1": "a", "2": "a\x00", "3": "a\x002", "4": "\x00", "5": "", "6": "\xff", "7": strings.Repeat("a", 200),
		"\x00": "a", "\x01a": "", "a\x00\xff": "b",
	}
	for id, value := range values {
		if err := c.Put(t.Context(), store.Write{ID: id, Index: map[string]string{"user": value}}); err != nil {
			t.Fatalf("Put(%q) = %v", id, err)
		}
	}
	got := map[string]string{}
	for _, value := range values {
		rs, err := c.List(t.Context(), store.Query{Index: "user", Value: value, Limit: 100})
		if err != nil {
			t.Fatalf("List(%q) = %v", value, err)
		}
		for _, r := range rs {
			got[r.ID] = value
		}
	}
	if diff := cmp.Diff(values, got); diff != "" {
		t.Errorf("value under which an id is listed (-want +got):\n%s", diff)
	}
}

func TestTheLongestNames(t *testing.T) {
	_, c := openTickets(t)
	longest := strings.Repeat("x", bbolt.MaxKeySize)
	value := longest[:bbolt.MaxKeySize-4] // its index entry has three bytes of length in front and the id behind
	for i, w := range []store.Write{
		{ID: longest}, {ID: "a", Key: longest[1:] + "y"}, {ID: "b", Index: map[string]string{"user": value}},
	} {
		if err := c.Put(t.Context(), w); err != nil {
			t.Errorf("Put of the longest name %d = %.100v, want success", i, err)
		}
	}
	for i, w := range []store.Write{
		{ID: longest + "x"}, {ID: "c", Key: longest + "x"}, {ID: "c", Index: map[string]string{"user": value + "x"}},
	} {
		if err := c.Put(t.Context(), w); err == nil || !strings.Contains(err.Error(), "limited to") {
			t.Errorf("Put of name %d that is too long = %.100v, want that it is refused", i, err)
		}
	}
}

func TestRecordsSurviveReopening(t *testing.T) {
	db, c := openTickets(t)
	path := db.file.Path()
	err := c.Put(t.Context(), store.Write{ID: "a", Key: "k", State: []byte{0, 0xff}, Emit: []store.Event{{Channel: "ticket:created"}}})
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.Pending(t.Context(), "", 9)
	if err != nil || len(want) != 1 {
		t.Fatalf("Pending = %v, %v, want one record", want, err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := tickets(t, open(t, path)).Pending(t.Context(), "", 9)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pending after reopening (-want +got):\n%s", diff)
	}
}
