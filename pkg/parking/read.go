package parking

import (
	"context"
	"fmt"

	"ticketing/pkg/store"
)

// Get returns one parked event. store.ErrNotFound if it is not, or no longer, parked.
func (l *Lot) Get(ctx context.Context, id string) (Entry, error) {
	entry, _, err := l.read(ctx, id)
	return entry, err
}

func (l *Lot) read(ctx context.Context, id string) (entry Entry, revision int64, err error) {
	record, err := l.records.Get(ctx, id)
	if err == nil && record.Index[statusIndex] != statusParked {
		err = store.ErrNotFound // only its attempts are counted
	}
	if err != nil {
		return Entry{}, 0, fmt.Errorf("read parked %s: %w", id, err)
	}
	entry, err = entryOf(record)
	return entry, record.Revision, err
}

// List returns a page of parked events in the order of their ids, after the given one: at most limit, and fewer if
// their payloads exceed Config.PageBytes, but at least one. next is where the next page begins, empty at the end.
func (l *Lot) List(ctx context.Context, after string, limit int) (entries []Entry, next string, err error) {
	size := 0
	err = l.each(ctx, after, func(entry Entry) (more bool) {
		size += len(entry.Data)
		if len(entries) > 0 && (len(entries) == limit || size > l.config.PageBytes) {
			next = entries[len(entries)-1].ID
			return false
		}
		entries = append(entries, entry)
		return true
	})
	return entries, next, err
}

// Count returns how many events are parked, at most the given number.
func (l *Lot) Count(ctx context.Context, most int) (n int, err error) {
	err = l.each(ctx, "", func(Entry) (more bool) {
		n++
		return n < most
	})
	return n, err
}

// each passes the parked events to take until it returns false, and never holds more than a page of them.
func (l *Lot) each(ctx context.Context, after string, take func(Entry) (more bool)) error {
	return l.pages(ctx, store.Query{Index: statusIndex, Value: statusParked, After: after}, take)
}

// EachEarly passes the events of one entity that are parked as early to take, by version, until it returns false. It
// never holds more than Config.Page of them.
func (l *Lot) EachEarly(ctx context.Context, entity string, take func(Entry) (more bool)) error {
	return l.pages(ctx, store.Query{Index: earlyIndex, Value: entity}, take)
}

func (l *Lot) pages(ctx context.Context, q store.Query, take func(Entry) (more bool)) error {
	q.Limit = l.config.Page
	for {
		entries, err := l.list(ctx, q)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if !take(entry) {
				return nil
			}
		}
		if len(entries) < q.Limit {
			return nil
		}
		q.After = entries[len(entries)-1].ID
	}
}

// Early returns the first events of one entity that are parked as early, by version, at most Config.Page. more
// reports whether there may be others behind them.
func (l *Lot) Early(ctx context.Context, entity string) (entries []Entry, more bool, err error) {
	q := store.Query{Index: earlyIndex, Value: entity, Limit: l.config.Page}
	entries, err = l.list(ctx, q)
	return entries, len(entries) == q.Limit, err
}

func (l *Lot) list(ctx context.Context, q store.Query) ([]Entry, error) {
	records, err := l.records.List(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list parked: %w", err)
	}
	return entriesOf(records)
}
