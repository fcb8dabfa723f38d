package mongo

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"ticketing/pkg/store"
)

// Fields of a document.
const (
	fieldID       = "_id"
	fieldRevision = "rev"
	fieldVersion  = "version"
	fieldKey      = "key"
	fieldIndex    = "ix"
	fieldState    = "state"
	fieldOutbox   = "outbox"
	fieldEarly    = "early"
	fieldPending  = "pending"
)

// maxDocument is MongoDB's limit of one document, in bytes. The server enforces it too, for a document
// that grows over it bit by bit; checking here tells a record that is too large from a server that is
// away.
const maxDocument = 16 << 20

// document is a stored record, for decoding.
type document struct {
	ID       string                 `bson:"_id"`
	Revision int64                  `bson:"rev"`
	Version  int64                  `bson:"version"`
	Key      string                 `bson:"key"`
	Index    map[string]*string     `bson:"ix"`
	State    text                   `bson:"state"`
	Outbox   map[string]storedEvent `bson:"outbox"`
	Early    []earlyEvent           `bson:"early"`
}

// storedEvent is an event as part of a document.
type storedEvent struct {
	Channel  string    `bson:"channel"`
	Sequence uint64    `bson:"seq"`
	At       time.Time `bson:"at"`
	Data     text      `bson:"data"`
}

// earlyEvent is a stored event that carries its version: early events are replaced all together, so
// unlike those of the outbox they need no names.
type earlyEvent struct {
	Version int64       `bson:"version"`
	Event   storedEvent `bson:",inline"`
}

// insertDocument is the document of a new record of a collection with these indexes.
func insertDocument(w store.Write, indexes []string) (bson.Raw, error) {
	doc := append(bson.D{{Key: fieldID, Value: w.ID}}, content(w, indexes)...)
	outbox := bson.D{}
	for i, e := range w.Emit {
		outbox = append(outbox, bson.E{Key: versionName(w.EmitVersion(i)), Value: fromEvent(e)})
	}
	if len(w.Emit) > 0 {
		doc = append(doc, bson.E{Key: fieldPending, Value: true})
	}
	return marshal(w, append(doc, bson.E{Key: fieldOutbox, Value: outbox}))
}

// updateDocument is the change of a record: everything but the outbox is replaced, and the events, if any, are added
// to the outbox beside those that wait there.
func updateDocument(w store.Write, indexes []string) (bson.Raw, error) {
	set := content(w, indexes)
	for i, e := range w.Emit {
		set = append(set, bson.E{Key: fieldOutbox + "." + versionName(w.EmitVersion(i)), Value: fromEvent(e)})
	}
	if len(w.Emit) > 0 {
		set = append(set, bson.E{Key: fieldPending, Value: true})
	}
	return marshal(w, bson.D{{Key: "$set", Value: set}})
}

// content is what a write replaces, and the revision it leads to. Every document of a collection has
// the same index names in the same order, null where the record has no value.
func content(w store.Write, indexes []string) bson.D {
	key := w.Key
	if key == "" {
		key = w.ID
	}
	index := bson.D{}
	for _, name := range indexes {
		var stored any
		if value, ok := w.Index[name]; ok {
			stored = value
		}
		index = append(index, bson.E{Key: name, Value: stored})
	}
	early := []earlyEvent{}
	for _, version := range slices.Sorted(maps.Keys(w.Early)) {
		early = append(early, earlyEvent{Version: version, Event: fromEvent(w.Early[version])})
	}
	return bson.D{
		{Key: fieldRevision, Value: w.Revision + 1},
		{Key: fieldVersion, Value: w.Version},
		{Key: fieldKey, Value: key},
		{Key: fieldIndex, Value: index},
		{Key: fieldState, Value: text(w.State)},
		{Key: fieldEarly, Value: early},
	}
}

// marshal encodes what a write sends, and refuses what MongoDB cannot hold.
func marshal(w store.Write, doc bson.D) (bson.Raw, error) {
	if !utf8.ValidString(w.ID) || !utf8.ValidString(w.Key) {
		return nil, errors.New("id and key must be UTF-8")
	}
	for name, value := range w.Index {
		if !utf8.ValidString(value) {
			return nil, fmt.Errorf("value of index %s must be UTF-8", name)
		}
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if len(raw) > maxDocument {
		return nil, fmt.Errorf("%d bytes are more than a document holds (%d)", len(raw), maxDocument)
	}
	return raw, nil
}

// decode reads a stored document. The record shares no memory with raw. Empty maps and bytes come
// back as nil.
func decode(raw bson.Raw) (store.Record, error) {
	var doc document
	if err := bson.Unmarshal(raw, &doc); err != nil {
		return store.Record{}, fmt.Errorf("decode document: %w", err)
	}
	if doc.ID == "" || doc.Revision < 1 {
		return store.Record{}, fmt.Errorf("document %q at revision %d is not a record", doc.ID, doc.Revision)
	}
	outbox, err := fromOutbox(doc.Outbox)
	if err != nil {
		return store.Record{}, fmt.Errorf("document %q: outbox: %w", doc.ID, err)
	}
	return store.Record{
		ID: doc.ID, Revision: doc.Revision, Version: doc.Version, Key: doc.Key, Index: fromIndex(doc.Index),
		State: doc.State, Outbox: outbox, Early: fromEarly(doc.Early),
	}, nil
}

func fromIndex(stored map[string]*string) map[string]string {
	var index map[string]string
	for name, value := range stored {
		if value == nil {
			continue
		}
		if index == nil {
			index = make(map[string]string, len(stored))
		}
		index[name] = *value
	}
	return index
}

func fromOutbox(stored map[string]storedEvent) (map[int64]store.Event, error) {
	if len(stored) == 0 {
		return nil, nil
	}
	events := make(map[int64]store.Event, len(stored))
	for name, e := range stored {
		version, err := strconv.ParseInt(name, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("version %q: %w", name, err)
		}
		events[version] = e.event()
	}
	return events, nil
}

func fromEarly(stored []earlyEvent) map[int64]store.Event {
	if len(stored) == 0 {
		return nil
	}
	events := make(map[int64]store.Event, len(stored))
	for _, e := range stored {
		events[e.Version] = e.Event.event()
	}
	return events
}

func fromEvent(e store.Event) storedEvent {
	return storedEvent{Channel: e.Channel, Sequence: e.Sequence, At: e.At, Data: e.Data}
}

func (e storedEvent) event() store.Event {
	return store.Event{Channel: e.Channel, Sequence: e.Sequence, At: e.At.UTC(), Data: e.Data}
}

// versionName is a version as a field name.
func versionName(version int64) string { return strconv.FormatInt(version, 10) }
