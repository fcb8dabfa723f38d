package mongo

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"ticketing/pkg/store"
)

var testIndexes = []string{"status", "user"}

// Whatever is written comes back, byte for byte and to the millisecond.
func TestInsertedDocumentDecodesToTheRecord(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := drawWrite(r)
		raw, err := insertDocument(w, testIndexes)
		if err != nil {
			r.Fatal(err)
		}
		got, err := decode(raw)
		if err != nil {
			r.Fatal(err)
		}
		if diff := cmp.Diff(recordOf(w), got, cmpopts.EquateEmpty()); diff != "" {
			r.Errorf("record (-written +read):\n%s", diff)
		}
	})
}

// A change carries the same content as a new record, and touches nothing else of the outbox.
func TestUpdateSetsWhatInsertHolds(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := drawWrite(r)
		change, err := updateDocument(w, testIndexes)
		if err != nil {
			r.Fatal(err)
		}
		whole, err := insertDocument(w, testIndexes)
		if err != nil {
			r.Fatal(err)
		}
		var set, want bson.M
		if err := bson.Unmarshal(change.Lookup("$set").Document(), &set); err != nil {
			r.Fatal(err)
		}
		if err := bson.Unmarshal(whole, &want); err != nil {
			r.Fatal(err)
		}
		delete(want, fieldID)
		delete(want, fieldOutbox)
		if w.Emit != nil {
			want["outbox."+versionName(w.Version)] = whole.Lookup(fieldOutbox, versionName(w.Version))
			set["outbox."+versionName(w.Version)] = change.Lookup("$set", "outbox."+versionName(w.Version))
		}
		if diff := cmp.Diff(want, set); diff != "" {
			r.Errorf("fields (-want +got):\n%s", diff)
		}
	})
}

// JSON can be read in the database; other bytes are kept as binary.
func TestTextIsReadableWhereItCanBe(t *testing.T) {
	tests := map[string]struct {
		bytes []byte
		want  bson.Type
	}{
		"JSON":         {[]byte(`{"title": "Rock \u2603", "price":1.50}`), bson.TypeString},
		"with a zero":  {[]byte("a\x00b"), bson.TypeString},
		"empty":        {nil, bson.TypeString},
		"not UTF-8":    {[]byte("\xff\xfe"), bson.TypeBinary},
		"cut-off rune": {[]byte("snow\xe2\x98"), bson.TypeBinary},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			raw, err := insertDocument(store.Write{ID: "a", State: test.bytes}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := raw.Lookup(fieldState).Type; got != test.want {
				t.Errorf("stored as %v, want %v", got, test.want)
			}
			record, err := decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(record.State, test.bytes) {
				t.Errorf("came back as %q", record.State)
			}
		})
	}
}

// What MongoDB cannot hold is refused before it is sent, with an error that is none of the port's.
func TestUnstorableWrites(t *testing.T) {
	huge := []store.Event{{Sequence: math.MaxUint64}}
	tests := map[string]store.Write{
		"id is not UTF-8":          {ID: "\xff"},
		"key is not UTF-8":         {ID: "a", Key: "\xff"},
		"index value is not UTF-8": {ID: "a", Index: map[string]string{"user": "\xff"}},
		"sequence beyond int64":    {ID: "a", Emit: huge},
		"larger than a document":   {ID: "a", State: make([]byte, maxDocument)},
	}
	for name, w := range tests {
		t.Run(name, func(t *testing.T) {
			if _, err := insertDocument(w, testIndexes); err == nil {
				t.Error("insert was encoded")
			}
			if _, err := updateDocument(w, testIndexes); err == nil {
				t.Error("update was encoded")
			}
		})
	}
}

// A document that this package has not written is an error, not a record with gaps.
func TestForeignDocuments(t *testing.T) {
	tests := map[string]bson.D{
		"empty":                  {},
		"no revision":            {{Key: "_id", Value: "a"}},
		"id of another kind":     {{Key: "_id", Value: bson.NewObjectID()}, {Key: "rev", Value: 1}},
		"state of another kind":  {{Key: "_id", Value: "a"}, {Key: "rev", Value: 1}, {Key: "state", Value: 7}},
		"outbox of another kind": {{Key: "_id", Value: "a"}, {Key: "rev", Value: 1}, {Key: "outbox", Value: "x"}},
		"outbox without version": {{Key: "_id", Value: "a"}, {Key: "rev", Value: 1},
			{Key: "outbox", Value: bson.D{{Key: "x", Value: bson.D{}}}}},
	}
	for name, doc := range tests {
		t.Run(name, func(t *testing.T) {
			raw, err := bson.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			if record, err := decode(raw); err == nil {
				t.Errorf("decoded to %+v", record)
			}
		})
	}
}

// Any bytes are decoded or refused, and what is decoded can be written and read again.
func FuzzDecode(f *testing.F) {
	for _, w := range []store.Write{
		{ID: "a"},
		{ID: "b", Key: "k", Index: map[string]string{"user": "u"}, State: []byte("{}"), Emit: emit()},
		{ID: "c", Version: -1, State: []byte{0xff}, Early: map[int64]store.Event{3: emit()[0]}},
	} {
		raw, err := insertDocument(w, testIndexes)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		record, err := decode(data)
		if err != nil {
			return
		}
		var names []string
		for name := range record.Index {
			names = append(names, name)
		}
		again, err := insertDocument(store.Write{
			ID: record.ID, Version: record.Version, Key: record.Key,
			Index: record.Index, State: record.State, Early: record.Early,
		}, names)
		if err != nil {
			return // for instance an id that is not UTF-8
		}
		got, err := decode(again)
		if err != nil {
			t.Fatalf("decode what was decoded before: %v", err)
		}
		want := record
		want.Revision, want.Outbox = 1, nil
		if want.Key == "" {
			want.Key = want.ID
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("record (-first +again):\n%s", diff)
		}
	})
}

func drawWrite(r *rapid.T) store.Write {
	w := store.Write{
		ID:      rapid.StringN(1, 20, -1).Draw(r, "id"),
		Version: rapid.Int64().Draw(r, "version"),
		Key:     rapid.String().Draw(r, "key"),
		Index:   rapid.MapOf(rapid.SampledFrom(testIndexes), rapid.String()).Draw(r, "index"),
		State:   rapid.SliceOf(rapid.Byte()).Draw(r, "state"),
		Early:   rapid.MapOfN(rapid.Int64(), drawEvent(), 0, 4).Draw(r, "early"),
	}
	if rapid.Bool().Draw(r, "emits") {
		e := drawEvent().Draw(r, "emit")
		w.Emit = []store.Event{e}
	}
	return w
}

func drawEvent() *rapid.Generator[store.Event] {
	return rapid.Custom(func(r *rapid.T) store.Event {
		return store.Event{
			Channel:  rapid.String().Draw(r, "channel"),
			Sequence: rapid.Uint64Max(math.MaxInt64).Draw(r, "sequence"),
			At:       time.UnixMilli(rapid.Int64Range(-1<<45, 1<<45).Draw(r, "at")).UTC(),
			Data:     rapid.SliceOf(rapid.Byte()).Draw(r, "data"),
		}
	})
}

// recordOf is what a new record holds.
func recordOf(w store.Write) store.Record {
	record := store.Record{
		ID: w.ID, Revision: w.Revision + 1, Version: w.Version, Key: w.Key,
		Index: w.Index, State: w.State, Early: w.Early,
	}
	if record.Key == "" {
		record.Key = record.ID
	}
	if w.Emit != nil {
		record.Outbox = map[int64]store.Event{w.Version: w.Emit[0]}
	}
	return record
}
