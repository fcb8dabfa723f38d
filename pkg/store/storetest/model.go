package storetest

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ticketing/pkg/store"
)

// testModel compares random walks with a model in memory. The ids, keys and index values are few, so
// that they meet often; they begin with each other, so that a confused encoding shows.
func (s *suite) testModel(t *testing.T) {
	setFlag(t, "rapid.checks", strconv.Itoa(s.size.Walks))
	rapid.Check(t, func(r *rapid.T) {
		c, err := s.shared.Collection(r.Context(), s.spec())
		if err != nil {
			r.Fatalf("open collection: %v", err)
		}
		m := &model{c: c, records: map[string]store.Record{}}
		r.Repeat(map[string]func(*rapid.T){
			"Put":     m.put,
			"PutMany": m.putMany,
			"Delete":  m.delete,
			"Forget":  m.forget,
			"List":    m.list,
			"Pending": m.pending,
			"GetMany": m.getMany,
		})
		m.wantAll(r)
	})
}

// setFlag sets a flag of rapid, which has no other way to choose the number of checks, unless the
// person who runs the test has set it.
func setFlag(t *testing.T, name, value string) {
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == name })
	if set {
		return
	}
	before := flag.Lookup(name).Value.String()
	t.Cleanup(func() {
		if err := flag.Lookup(name).Value.Set(before); err != nil {
			t.Errorf("restore flag %s: %v", name, err)
		}
	})
	if err := flag.Lookup(name).Value.Set(value); err != nil {
		t.Fatalf("set flag %s: %v", name, err)
	}
}

// model is what a collection should hold.
type model struct {
	c       store.Collection
	records map[string]store.Record
}

func drawID() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"a", "aa", "b", "ba", "c"})
}

func drawIndex() *rapid.Generator[map[string]string] {
	return rapid.MapOfN(rapid.SampledFrom([]string{"user", "status"}), rapid.SampledFrom([]string{"x", "xx", "y"}), 0, 2)
}

// drawWrite draws a write that usually names the stored revision.
func (m *model) drawWrite(r *rapid.T, id string) store.Write {
	w := store.Write{
		ID:       id,
		Revision: m.records[id].Revision + rapid.SampledFrom([]int64{0, 0, 0, 0, -1, 1}).Draw(r, "off by"),
		Version:  rapid.Int64Range(-1, 5).Draw(r, "version"),
		Index:    drawIndex().Draw(r, "index"),
		State:    rapid.SliceOfN(rapid.Byte(), 0, 8).Draw(r, "state"),
	}
	w.Revision = max(w.Revision, 0)
	if rapid.Bool().Draw(r, "emit") {
		for range rapid.IntRange(1, 3).Draw(r, "events") {
			w.Emit = append(w.Emit, event(rapid.IntRange(0, 99).Draw(r, "event"))...)
		}
	}
	for v := range rapid.IntRange(0, 3).Draw(r, "early") {
		if w.Early == nil {
			w.Early = map[int64]store.Event{}
		}
		w.Early[w.Version+2+int64(v)] = event(v)[0]
	}
	return w
}

// refusals are the errors that a write may be refused with: none where it must succeed. Where both a
// conflict and a taken key are there, either is right.
func (m *model) refusals(w store.Write) []error {
	var out []error
	if m.records[w.ID].Revision != w.Revision {
		out = append(out, store.ErrConflict)
	}
	for id, r := range m.records {
		if id != w.ID && r.Key == keyOf(w) {
			out = append(out, store.ErrKeyTaken)
		}
	}
	return out
}

func keyOf(w store.Write) string {
	if w.Key == "" {
		return w.ID
	}
	return w.Key
}

// written is the record after a write that succeeded.
func (m *model) written(w store.Write) store.Record {
	r := store.Record{
		ID: w.ID, Revision: w.Revision + 1, Version: w.Version, Key: keyOf(w),
		Index: w.Index, State: w.State, Early: w.Early, Outbox: maps.Clone(m.records[w.ID].Outbox),
	}
	for i, e := range w.Emit {
		if r.Outbox == nil {
			r.Outbox = map[int64]store.Event{}
		}
		r.Outbox[w.Version-int64(len(w.Emit))+1+int64(i)] = e
	}
	return r
}

func (m *model) put(r *rapid.T) {
	w := m.drawWrite(r, drawID().Draw(r, "id"))
	w.Key = rapid.SampledFrom([]string{"", "", "k", "kk", "a", "b"}).Draw(r, "key")
	want := m.refusals(w)
	err := m.c.Put(r.Context(), w)
	if len(want) == 0 && err == nil {
		m.records[w.ID] = m.written(w)
		return
	}
	if !slices.ContainsFunc(want, func(e error) bool { return errors.Is(err, e) }) {
		r.Fatalf("Put(%+v) = %v, want one of %v", w, err, want)
	}
}

// putMany leaves keys as they are, as the order in which a batch hands keys on is not promised.
func (m *model) putMany(r *rapid.T) {
	var ws []store.Write
	refused := map[string][]error{}
	for _, id := range rapid.SliceOfNDistinct(drawID(), 1, 5, rapid.ID[string]).Draw(r, "ids") {
		w := m.drawWrite(r, id)
		w.Key = m.records[id].Key
		if want := m.refusals(w); len(want) > 0 {
			refused[id] = want
		}
		ws = append(ws, w)
	}
	err := m.c.PutMany(r.Context(), ws)
	if len(refused) == 0 {
		if err != nil {
			r.Fatalf("PutMany(%+v) = %v, want success", ws, err)
		}
		for _, w := range ws {
			m.records[w.ID] = m.written(w)
		}
		return
	}
	if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrKeyTaken) {
		r.Fatalf("PutMany(%+v) = %v, want a refusal of %v", ws, err, refused)
	}
	m.adopt(r, ws, refused)
}

// adopt takes over what a batch with refusals has written: of the writes that were not refused any
// may be stored, whole.
func (m *model) adopt(r *rapid.T, ws []store.Write, refused map[string][]error) {
	for _, w := range ws {
		got, err := m.c.Get(r.Context(), w.ID)
		if errors.Is(err, store.ErrNotFound) {
			got, err = store.Record{}, nil
		}
		if err != nil {
			r.Fatalf("Get(%s) = %v", w.ID, err)
		}
		if want := m.written(w); len(refused[w.ID]) == 0 && cmp.Equal(want, got, cmpopts.EquateEmpty()) {
			m.records[w.ID] = want
		}
	}
}

func (m *model) delete(r *rapid.T) {
	id := drawID().Draw(r, "id")
	stored := m.records[id].Revision
	revision := max(0, stored+rapid.SampledFrom([]int64{0, 0, -1, 1}).Draw(r, "off by"))
	err := m.c.Delete(r.Context(), id, revision)
	switch {
	case stored != 0 && revision == stored:
		if err != nil {
			r.Fatalf("Delete(%s, %d) = %v, want success", id, revision, err)
		}
		delete(m.records, id)
	case !errors.Is(err, store.ErrConflict):
		r.Fatalf("Delete(%s, %d) of a record at revision %d = %v, want ErrConflict", id, revision, stored, err)
	}
}

func (m *model) forget(r *rapid.T) {
	sent := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) store.Sent {
		return store.Sent{
			ID:       drawID().Draw(r, "id"),
			Versions: rapid.SliceOfN(rapid.Int64Range(-1, 5), 0, 4).Draw(r, "versions"),
		}
	}), 0, 3).Draw(r, "sent")
	if err := m.c.Forget(r.Context(), sent); err != nil {
		r.Fatalf("Forget(%v) = %v, want success", sent, err)
	}
	for _, one := range sent {
		for _, v := range one.Versions {
			delete(m.records[one.ID].Outbox, v)
		}
	}
}

// page is what a walk through the ids in order finds.
func (m *model) page(after string, limit int, selects func(store.Record) bool) []store.Record {
	var out []store.Record
	for _, id := range slices.Sorted(maps.Keys(m.records)) {
		if r := m.records[id]; id > after && selects(r) && len(out) < limit {
			out = append(out, r)
		}
	}
	return out
}

func drawCursor() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "", "a", "aa", "ab", "b", "z"})
}

func (m *model) list(r *rapid.T) {
	q := store.Query{
		Index: rapid.SampledFrom([]string{"", "user", "status"}).Draw(r, "index"),
		After: drawCursor().Draw(r, "after"),
		Limit: rapid.IntRange(1, 6).Draw(r, "limit"),
	}
	if q.Index != "" {
		q.Value = rapid.SampledFrom([]string{"x", "xx", "y"}).Draw(r, "value")
	}
	want := m.page(q.After, q.Limit, func(r store.Record) bool { return q.Index == "" || r.Index[q.Index] == q.Value })
	got, err := m.c.List(r.Context(), q)
	wantModel(r, fmt.Sprintf("List(%+v)", q), want, got, err)
}

func (m *model) pending(r *rapid.T) {
	after, limit := drawCursor().Draw(r, "after"), rapid.IntRange(1, 6).Draw(r, "limit")
	want := m.page(after, limit, func(r store.Record) bool { return len(r.Outbox) > 0 })
	got, err := m.c.Pending(r.Context(), after, limit)
	wantModel(r, fmt.Sprintf("Pending(%q, %d)", after, limit), want, got, err)
}

func (m *model) getMany(r *rapid.T) {
	names := rapid.SliceOfN(drawID(), 0, 6).Draw(r, "ids")
	want := map[string]store.Record{}
	for _, id := range names {
		if stored, ok := m.records[id]; ok {
			want[id] = stored
		}
	}
	got, err := m.c.GetMany(r.Context(), names)
	wantModel(r, fmt.Sprintf("GetMany(%q)", names), want, got, err)
}

func (m *model) wantAll(r *rapid.T) {
	got, err := m.c.List(r.Context(), store.Query{Limit: 100})
	wantModel(r, "the whole collection", m.page("", 100, func(store.Record) bool { return true }), got, err)
}

func wantModel(r *rapid.T, what string, want, got any, err error) {
	if err != nil {
		r.Fatalf("%s = %v, want success", what, err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		r.Fatalf("%s differs from the model (-model +store):\n%s", what, diff)
	}
}
