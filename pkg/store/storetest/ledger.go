package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ticketing/pkg/store"
)

// What the child tells. Only forgetting comes before the deed, as the parent must know which events
// may be gone.
const (
	verbPut        = "put"
	verbForgetting = "forgetting"
	verbForgot     = "forgot"
	verbDeleted    = "deleted"
)

// passingPrefix begins the ids of records that the child creates and deletes at once.
const passingPrefix = "gone-"

// fact is one event of one record.
type fact struct {
	id      string
	version int64
}

// ledger is what the child has told in all rounds so far.
type ledger struct {
	acknowledged int
	revision     map[string]int64 // last acknowledged
	forgetting   map[fact]bool
	forgot       map[fact]bool
	deleted      map[string]bool
}

func newLedger() *ledger {
	return &ledger{
		revision:   map[string]int64{},
		forgetting: map[fact]bool{},
		forgot:     map[fact]bool{},
		deleted:    map[string]bool{},
	}
}

// book enters one line of the child's output and says whether it was a booking.
func (l *ledger) book(line string) bool {
	var verb, id string
	var number int64
	if _, err := fmt.Sscanf(line, "crash %s %s %d", &verb, &id, &number); err != nil {
		return false
	}
	l.acknowledged++
	switch verb {
	case verbPut:
		l.revision[id] = number
	case verbForgetting:
		l.acknowledged-- // not yet
		l.forgetting[fact{id, number}] = true
	case verbForgot:
		l.forgot[fact{id, number}] = true
	case verbDeleted:
		l.deleted[id] = true
	}
	return true
}

// check compares a collection with what was told of it.
func (l *ledger) check(t *testing.T, c store.Collection) {
	t.Helper()
	all := mustAll(t, c)
	stored := map[string]bool{}
	for _, r := range all {
		stored[r.ID] = true
		if l.deleted[r.ID] {
			t.Errorf("record %s is back, though its deletion was acknowledged", r.ID)
		}
		l.checkRecord(t, r)
		l.see(r)
	}
	for id, revision := range l.revision {
		if !stored[id] {
			t.Errorf("record %s is missing, though its revision %d was acknowledged", id, revision)
		}
	}
	checkPending(t, c, all)
	checkIndex(t, c, all)
	checkKeys(t, c, all)
}

// checkRecord sees that a record is one whole write: the last that was acknowledged, or the one that
// was under way when the process was killed.
func (l *ledger) checkRecord(t *testing.T, r store.Record) {
	t.Helper()
	if last := l.revision[r.ID]; r.Revision < last || r.Revision > last+1 {
		t.Errorf("record %s is at revision %d; acknowledged was %d", r.ID, r.Revision, last)
	}
	want := recordOf(crashWrite(r.ID, r.Revision-1))
	want.Revision, want.Outbox = r.Revision, r.Outbox
	wantEqual(t, "record "+r.ID, want, r)
	for v := range r.Version + 1 {
		e, waits := r.Outbox[v]
		switch {
		case !waits && !l.forgetting[fact{r.ID, v}]:
			t.Errorf("record %s has lost event %d", r.ID, v)
		case waits && l.forgot[fact{r.ID, v}]:
			t.Errorf("record %s has event %d again, though it was forgotten", r.ID, v)
		case waits:
			wantEqual(t, fmt.Sprintf("event %d of %s", v, r.ID), crashEvent(r.ID, v)[0], e)
		}
	}
	for v := range r.Outbox {
		if v < 0 || v > r.Version {
			t.Errorf("record %s at version %d has an event %d", r.ID, r.Version, v)
		}
	}
}

// see books what has been read: it must stay from now on, whether its acknowledgement was told or not.
func (l *ledger) see(r store.Record) {
	if passing(r.ID) {
		return
	}
	l.revision[r.ID] = r.Revision
	for v := range r.Version + 1 {
		if _, waits := r.Outbox[v]; !waits {
			l.forgot[fact{r.ID, v}] = true
		}
	}
}

// passing says whether a record is one that the child creates to delete it.
func passing(id string) bool { return strings.HasPrefix(id, passingPrefix) }

func checkPending(t *testing.T, c store.Collection, all []store.Record) {
	t.Helper()
	waiting := slices.DeleteFunc(slices.Clone(all), func(r store.Record) bool { return len(r.Outbox) == 0 })
	wantEqual(t, "pending", ids(waiting), ids(mustPending(t, c)))
}

func checkIndex(t *testing.T, c store.Collection, all []store.Record) {
	t.Helper()
	for _, q := range []store.Query{
		{Index: "user", Value: "user-0"}, {Index: "user", Value: "user-1"}, {Index: "user", Value: "user-2"},
		{Index: "status", Value: "status-0"}, {Index: "status", Value: "status-1"},
	} {
		q.Limit = 10_000
		have := slices.DeleteFunc(slices.Clone(all), func(r store.Record) bool { return r.Index[q.Index] != q.Value })
		wantEqual(t, q.Value, ids(have), listed(t, c, q))
	}
}

// checkKeys tries to take each key that a record has or could have had.
func checkKeys(t *testing.T, c store.Collection, all []store.Record) {
	t.Helper()
	for _, r := range all {
		if passing(r.ID) {
			continue
		}
		for revision := range int64(3) {
			key := crashKey(r.ID, revision)
			err := c.Put(t.Context(), store.Write{ID: "probe", Key: key})
			if held := key == r.Key; held != errors.Is(err, store.ErrKeyTaken) || (err != nil && !held) {
				t.Errorf("a record with key %s = %v; %s has key %s", key, err, r.ID, r.Key)
			}
			if err != nil {
				continue
			}
			if err := c.Delete(t.Context(), "probe", 1); err != nil {
				t.Fatalf("delete the probe: %v", err)
			}
		}
	}
}
