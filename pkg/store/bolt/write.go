package bolt

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"
	"go.etcd.io/bbolt"

	"ticketing/pkg/store"
)

// prepared is a write as far as it can be encoded without knowing what is stored. That is done by
// the caller's goroutine, which spreads the work, and leaves the writer nothing that belongs to the
// caller: one whose context ends may reuse its slices and maps at once.
type prepared struct {
	id       []byte
	revision int64
	head     head[cbor.RawMessage] // as it is to be stored, but for the outbox
	emit     map[int64]cbor.RawMessage // what joins the outbox
	record   *bytes.Buffer         // the stored record up to its head
}

func (c *collection) prepare(w store.Write) (prepared, error) {
	if err := c.check(w); err != nil {
		return prepared{}, err
	}
	record, err := c.db.codec.encodeContent(w.State, w.Early)
	if err != nil {
		return prepared{}, fmt.Errorf("encode content: %w", err)
	}
	p := prepared{
		id:       []byte(w.ID),
		revision: w.Revision,
		head:     head[cbor.RawMessage]{Revision: w.Revision + 1, Version: w.Version, Index: maps.Clone(w.Index)},
		record:   record,
	}
	if w.Key != w.ID {
		p.head.Key = w.Key
	}
	for i, e := range w.Emit {
		event, err := c.db.codec.enc.Marshal(fromEvent(e))
		if err != nil {
			return prepared{}, fmt.Errorf("encode event: %w", err)
		}
		if p.emit == nil {
			p.emit = make(map[int64]cbor.RawMessage, len(w.Emit))
		}
		p.emit[w.EmitVersion(i)] = event
	}
	return p, nil
}

// check refuses what cannot be stored, before the writer sees it.
func (c *collection) check(w store.Write) error {
	if err := c.spec.CheckWrite(w); err != nil {
		return err
	}
	longest := max(len(w.ID), len(w.Key))
	for _, value := range w.Index {
		longest = max(longest, len(indexPrefix(value))+len(w.ID))
	}
	if longest > bbolt.MaxKeySize {
		return fmt.Errorf("id, key and index values are limited to %d bytes", bbolt.MaxKeySize)
	}
	return nil
}

// Put implements store.Collection.
func (c *collection) Put(ctx context.Context, w store.Write) error {
	p, err := c.prepare(w)
	if err == nil {
		err = c.write(ctx, 1, func(in buckets) (outcome, error) {
			return c.db.codec.put(in, p)
		})
	}
	if err != nil {
		return fmt.Errorf("put %s %s at revision %d: %w", c.name, w.ID, w.Revision, err)
	}
	return nil
}

// PutMany implements store.Collection.
func (c *collection) PutMany(ctx context.Context, ws []store.Write) error {
	if len(ws) == 0 {
		return nil
	}
	batch := make([]prepared, len(ws))
	for i, w := range ws {
		var err error
		if batch[i], err = c.prepare(w); err != nil {
			return fmt.Errorf("put %s %s: %w", c.name, w.ID, err)
		}
	}
	slices.SortFunc(batch, func(a, b prepared) int { return bytes.Compare(a.id, b.id) }) // in the order of the pages
	err := c.write(ctx, len(batch), func(in buckets) (outcome, error) {
		return c.db.codec.putAll(in, batch)
	})
	if err != nil {
		return fmt.Errorf("put %d records of %s: %w", len(ws), c.name, err)
	}
	return nil
}

// putAll stores what it can; the outcome tells which records were refused.
func (c codec) putAll(in buckets, batch []prepared) (outcome, error) {
	var all outcome
	var refused store.Refused
	for _, p := range batch {
		one, err := c.put(in, p)
		if err != nil {
			return outcome{}, err
		}
		all.changed = all.changed || one.changed
		if one.err == nil {
			continue
		}
		if refused.Reason == nil {
			refused.Reason = fmt.Errorf("record %s: %w", p.id, one.err)
		}
		refused.IDs = append(refused.IDs, string(p.id))
	}
	if refused.Reason != nil {
		all.err = &refused
	}
	return all, nil
}

// put decides one write and stores it.
func (c codec) put(in buckets, p prepared) (outcome, error) {
	stored := in.records.Get(p.id)
	if (stored != nil) != (p.revision != 0) {
		return outcome{err: store.ErrConflict}, nil
	}
	var was head[cbor.RawMessage]
	if stored != nil {
		var err error
		if was, err = c.decodeHead(stored); err != nil {
			return outcome{err: err}, nil
		}
		if was.Revision != p.revision {
			return outcome{err: store.ErrConflict}, nil
		}
	}
	if err := c.keyFree(in, p, was, stored != nil); err != nil {
		return outcome{err: err}, nil
	}
	now := p.head
	now.Outbox = was.Outbox
	if p.emit != nil {
		now.Outbox = maps.Clone(was.Outbox)
		if now.Outbox == nil {
			now.Outbox = make(map[int64]cbor.RawMessage, len(p.emit))
		}
		maps.Copy(now.Outbox, p.emit)
	}
	if err := c.enc.MarshalToBuffer(now, p.record); err != nil {
		return outcome{err: fmt.Errorf("encode head: %w", err)}, nil
	}
	return outcome{changed: true}, in.replace(p.id, was, now, p.record.Bytes())
}

// keyFree returns ErrKeyTaken where the key of a write is held by another record.
func (c codec) keyFree(in buckets, p prepared, was head[cbor.RawMessage], exists bool) error {
	if exists && was.Key == p.head.Key {
		return nil
	}
	if p.head.Key == "" {
		if in.keys.Get(p.id) != nil {
			return store.ErrKeyTaken
		}
		return nil
	}
	holder, err := in.keyHolder(c, []byte(p.head.Key))
	if err != nil {
		return err
	}
	if holder != nil {
		return store.ErrKeyTaken
	}
	return nil
}

// Delete implements store.Collection.
func (c *collection) Delete(ctx context.Context, id string, revision int64) error {
	err := c.write(ctx, 1, func(in buckets) (outcome, error) {
		stored := in.records.Get([]byte(id))
		if stored == nil {
			return outcome{err: store.ErrConflict}, nil
		}
		was, err := c.db.codec.decodeHead(stored)
		if err != nil {
			return outcome{err: err}, nil
		}
		if was.Revision != revision {
			return outcome{err: store.ErrConflict}, nil
		}
		return outcome{changed: true}, in.remove([]byte(id), was)
	})
	if err != nil {
		return fmt.Errorf("delete %s %s at revision %d: %w", c.name, id, revision, err)
	}
	return nil
}

// Forget implements store.Collection.
func (c *collection) Forget(ctx context.Context, sent []store.Sent) error {
	if len(sent) == 0 {
		return nil
	}
	sorted := make([]store.Sent, len(sent))
	for i, s := range sent {
		sorted[i] = store.Sent{ID: s.ID, Versions: slices.Clone(s.Versions)}
	}
	slices.SortStableFunc(sorted, func(a, b store.Sent) int { return strings.Compare(a.ID, b.ID) })
	err := c.write(ctx, len(sorted), func(in buckets) (outcome, error) {
		return c.db.codec.forgetAll(in, sorted)
	})
	if err != nil {
		return fmt.Errorf("forget events of %d records of %s: %w", len(sent), c.name, err)
	}
	return nil
}

// forgetAll skips a record that cannot be decoded, and says so after it has done the others.
func (c codec) forgetAll(in buckets, sent []store.Sent) (outcome, error) {
	var all outcome
	for _, s := range sent {
		one, err := c.forget(in, s)
		if err != nil {
			return outcome{}, err
		}
		all.changed = all.changed || one.changed
		if one.err != nil && all.err == nil {
			all.err = fmt.Errorf("record %s: %w", s.ID, one.err)
		}
	}
	return all, nil
}

// forget stores the record again without the events; its content is copied as it is.
func (c codec) forget(in buckets, s store.Sent) (outcome, error) {
	id := []byte(s.ID)
	stored := in.records.Get(id)
	if stored == nil {
		return outcome{}, nil
	}
	was, err := c.decodeHead(stored)
	if err != nil {
		return outcome{err: err}, nil
	}
	now := was
	now.Outbox = maps.Clone(was.Outbox)
	for _, version := range s.Versions {
		delete(now.Outbox, version)
	}
	if len(now.Outbox) == len(was.Outbox) {
		return outcome{}, nil
	}
	_, headPart, err := split(stored)
	if err != nil {
		return outcome{err: err}, nil
	}
	record := bytes.NewBuffer(slices.Clone(stored[:len(stored)-len(headPart)]))
	if err := c.enc.MarshalToBuffer(now, record); err != nil {
		return outcome{err: fmt.Errorf("encode head: %w", err)}, nil
	}
	return outcome{changed: true}, in.replace(id, was, now, record.Bytes())
}
