package bolt_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt"
)

func TestRecordsSurviveReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tickets.db")
	ctx := context.Background()
	spec := store.Spec{Name: "tickets", Indexes: []string{"user"}}

	db, err := bolt.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := db.Collection(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	w := store.Write{
		ID: "a", Version: 0, Key: "k", Index: map[string]string{"user": "u"},
		State: []byte{0, 0xff}, Emit: &store.Event{Channel: "ticket:created", Data: []byte("{}")},
	}
	w.Emit.At = w.Emit.At.AddDate(2000, 0, 0)
	if err := c.Put(ctx, w); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	if db, err = bolt.Open(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if c, err = db.Collection(ctx, spec); err != nil {
		t.Fatal(err)
	}
	got, err := c.Pending(ctx, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	want := []store.Record{{
		ID: "a", Revision: 1, Key: "k", Index: w.Index, State: w.State, Outbox: map[int64]store.Event{0: *w.Emit},
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("record after reopening (-want +got):\n%s", diff)
	}
}
