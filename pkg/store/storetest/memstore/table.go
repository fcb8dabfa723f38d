package memstore

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"ticketing/pkg/store"
)

// table is what a collection holds. It shares no memory with any caller.
type table struct {
	dropped bool
	records map[string]store.Record
	ids     []string          // of all records, in ascending order
	holders map[string]string // id of the record that holds a unique key
}

func newTable() *table {
	return &table{records: map[string]store.Record{}, holders: map[string]string{}}
}

// put stores one write, or returns why it is refused. The caller removes the key that the write
// releases, if any, from holders.
func (t *table) put(w store.Write) (released string, err error) {
	was := t.records[w.ID] // at revision 0 if there is none
	if was.Revision != w.Revision {
		return "", store.ErrConflict
	}
	key := w.Key
	if key == "" {
		key = w.ID
	}
	if holder, taken := t.holders[key]; taken && holder != w.ID {
		return "", store.ErrKeyTaken
	}
	if was.Revision == 0 {
		at, _ := slices.BinarySearch(t.ids, w.ID)
		t.ids = slices.Insert(t.ids, at, w.ID)
	}
	now := copyRecord(store.Record{
		ID: w.ID, Revision: w.Revision + 1, Version: w.Version, Key: key,
		Index: w.Index, State: w.State, Early: w.Early,
	})
	now.Outbox = was.Outbox
	for i, e := range w.Emit {
		if now.Outbox == nil {
			now.Outbox = map[int64]store.Event{}
		}
		now.Outbox[w.EmitVersion(i)] = copyEvent(e)
	}
	t.records[w.ID], t.holders[key] = now, w.ID
	if was.Key != key {
		released = was.Key
	}
	return released, nil
}

// putMany stores all writes but those that it refuses. The keys that they release are free only
// afterwards, because the port promises no order within a batch.
func (t *table) putMany(ws []store.Write) error {
	var refused store.Refused
	var released []string
	for _, w := range ws {
		key, err := t.put(w)
		if err != nil {
			if refused.Reason == nil {
				refused.Reason = fmt.Errorf("record %s: %w", w.ID, err)
			}
			refused.IDs = append(refused.IDs, w.ID)
			continue
		}
		released = append(released, key)
	}
	for _, key := range released {
		delete(t.holders, key)
	}
	if refused.Reason != nil {
		return &refused
	}
	return nil
}

// remove deletes a record that stands at the given revision.
func (t *table) remove(id string, revision int64) error {
	was, exists := t.records[id]
	if !exists || was.Revision != revision {
		return store.ErrConflict
	}
	at, _ := slices.BinarySearch(t.ids, id)
	t.ids = slices.Delete(t.ids, at, at+1)
	delete(t.holders, was.Key)
	delete(t.records, id)
	return nil
}

// page returns copies of the first records after the cursor that are selected.
func (t *table) page(after string, limit int, selected func(store.Record) bool) []store.Record {
	from, found := slices.BinarySearch(t.ids, after)
	if found {
		from++
	}
	var page []store.Record
	for _, id := range t.ids[from:] {
		if len(page) == limit {
			break
		}
		if r := t.records[id]; selected(r) {
			page = append(page, copyRecord(r))
		}
	}
	return page
}

func copyRecord(r store.Record) store.Record {
	r.Index = maps.Clone(r.Index)
	r.State = bytes.Clone(r.State)
	r.Outbox = copyEvents(r.Outbox)
	r.Early = copyEvents(r.Early)
	return r
}

func copyEvents(events map[int64]store.Event) map[int64]store.Event {
	if len(events) == 0 {
		return nil
	}
	out := make(map[int64]store.Event, len(events))
	for version, e := range events {
		out[version] = copyEvent(e)
	}
	return out
}

// copyEvent keeps the time as the port does: to the millisecond, and in UTC.
func copyEvent(e store.Event) store.Event {
	e.At = time.UnixMilli(e.At.UnixMilli()).UTC()
	e.Data = bytes.Clone(e.Data)
	return e
}
