package parking

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/store"
)

// Park sets events aside. The caller fills in Reason, Channel, Sequence, Entity, Version, Error and Data. Parking an
// event again counts an attempt and takes the new reason.
func (l *Lot) Park(ctx context.Context, entries ...Entry) error {
	always := func(Entry) bool { return true }
	for page := range slices.Chunk(entries, l.config.Page) {
		if err := l.note(ctx, page, always); err != nil {
			return fmt.Errorf("park %s %d and %d others: %w", page[0].Channel, page[0].Sequence, len(page)-1, err)
		}
	}
	return nil
}

// Fail counts a failed attempt at an event. At the last one of most it parks the event as Failed and reports true.
// An event that is parked already stays parked until then, with its reason.
func (l *Lot) Fail(ctx context.Context, entry Entry, most int) (parked bool, err error) {
	entry.Reason = Failed
	err = l.note(ctx, []Entry{entry}, func(noted Entry) bool {
		parked = noted.Attempts >= most
		return parked
	})
	if err != nil {
		return false, fmt.Errorf("count an attempt at %s %d: %w", entry.Channel, entry.Sequence, err)
	}
	return parked, nil
}

// note writes one more attempt at each of some events. park is given an event with its attempts and reports whether
// that parks it.
func (l *Lot) note(ctx context.Context, entries []Entry, park func(Entry) bool) error {
	for {
		ids := make([]string, len(entries))
		for i, entry := range entries {
			ids[i] = l.ID(entry)
		}
		found, err := l.records.GetMany(ctx, ids)
		if err != nil {
			return err
		}
		writes := make([]store.Write, 0, len(entries))
		at := map[string]int{} // into writes, as an event may be there twice
		for i, entry := range entries {
			entry.ID, entry.Hash = ids[i], hashOf(entry.Data)
			noted, err := l.noted(found[entry.ID], entry, park)
			if err != nil {
				return err
			}
			if twice, ok := at[entry.ID]; ok {
				writes[twice] = noted
			} else {
				at[entry.ID] = len(writes)
				writes = append(writes, noted)
			}
			record := found[entry.ID]
			record.ID, record.State, record.Index = entry.ID, noted.State, noted.Index
			found[entry.ID] = record
		}
		err = l.records.PutMany(ctx, writes)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		var some *store.Refused
		if errors.As(err, &some) { // the others are written, and counted
			entries = slices.DeleteFunc(slices.Clone(entries), func(e Entry) bool { return !slices.Contains(some.IDs, l.ID(e)) })
		}
	}
}

// noted is the write that adds an attempt to what is stored of an event; the zero record is nothing.
func (l *Lot) noted(record store.Record, entry Entry, park func(Entry) bool) (store.Write, error) {
	now := l.config.Now().UTC()
	noted := entry
	noted.First = now
	if record.State != nil {
		stored, err := entryOf(record)
		if err != nil {
			return store.Write{}, err
		}
		noted.Channel, noted.Sequence, noted.First, noted.Attempts = stored.Channel, stored.Sequence, stored.First, stored.Attempts
		noted.Reason = stored.Reason
	}
	noted.Attempts, noted.Last, noted.First = noted.Attempts+1, now, earlier(noted.First, now)
	status := statusFailing
	switch {
	case park(noted):
		noted.Reason, status = entry.Reason, statusParked
	case record.Index[statusIndex] == statusParked:
		status = statusParked
	}
	index := map[string]string{statusIndex: status}
	if status == statusParked && noted.Reason == Early {
		index[earlyIndex] = noted.Entity
	}
	state, err := json.Marshal(noted)
	if err != nil {
		return store.Write{}, fmt.Errorf("encode parked %s: %w", noted.ID, err)
	}
	return store.Write{ID: noted.ID, Revision: record.Revision, Index: index, State: state}, nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// Drop removes a parked event: it was applied, or a person has decided that it is not needed. A rebuild that meets
// the event in the broker's history parks it again. store.ErrNotFound if it is not parked.
func (l *Lot) Drop(ctx context.Context, id string) error {
	for {
		_, revision, err := l.read(ctx, id)
		if err != nil {
			return err
		}
		if err := l.records.Delete(ctx, id, revision); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

// Settle removes what is noted of events that have been handled since: counted attempts, and events parked as Early
// or Failed. Poison and conflicts stay for a person. Ids that are unknown are skipped.
func (l *Lot) Settle(ctx context.Context, ids []string) error {
	for page := range slices.Chunk(ids, l.config.Page) {
		found, err := l.records.GetMany(ctx, page)
		if err != nil {
			return fmt.Errorf("read parked: %w", err)
		}
		removing, ctx := errgroup.WithContext(ctx) // concurrent deletions share one fsync
		for _, record := range found {
			removing.Go(func() error { return l.settle(ctx, record) })
		}
		if err := removing.Wait(); err != nil {
			return fmt.Errorf("remove parked: %w", err)
		}
	}
	return nil
}

// settle removes one record, and reads it again if another instance was first at it.
func (l *Lot) settle(ctx context.Context, record store.Record) error {
	for {
		entry, err := entryOf(record)
		parked := record.Index[statusIndex] == statusParked
		if err != nil || parked && (entry.Reason == Poison || entry.Reason == Conflict) {
			return err
		}
		err = l.records.Delete(ctx, record.ID, record.Revision)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
		record, err = l.records.Get(ctx, record.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
