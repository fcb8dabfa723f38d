package bolt

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ticketing/pkg/store"
)

func newTestCodec(t testing.TB) codec {
	t.Helper()
	c, err := newCodec()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// encode writes a whole record, as the writer does in two steps.
func encode(t testing.TB, c codec, r store.Record) []byte {
	t.Helper()
	buf, err := c.encodeContent(r.State, r.Early)
	if err != nil {
		t.Fatal(err)
	}
	h := head[event]{Revision: r.Revision, Version: r.Version, Index: r.Index, Outbox: map[int64]event{}}
	if r.Key != r.ID {
		h.Key = r.Key
	}
	for v, e := range r.Outbox {
		h.Outbox[v] = fromEvent(e)
	}
	if err := c.enc.MarshalToBuffer(h, buf); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// drawText draws any bytes: what a record holds must come back even where it is no valid UTF-8.
func drawText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\x00", "\xff\xfe", "a\x00b"}))
}

func drawEvents() *rapid.Generator[map[int64]store.Event] {
	return rapid.MapOfN(rapid.Int64(), rapid.Custom(func(r *rapid.T) store.Event {
		return store.Event{
			Channel:  drawText().Draw(r, "channel"),
			Sequence: rapid.Uint64().Draw(r, "sequence"),
			At:       time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(r, "at")).UTC(),
			Data:     rapid.SliceOf(rapid.Byte()).Draw(r, "data"),
		}
	}), 0, 4)
}

func TestEveryRecordComesBack(t *testing.T) {
	c := newTestCodec(t)
	rapid.Check(t, func(r *rapid.T) {
		want := store.Record{
			ID:       "id",
			Revision: rapid.Int64().Draw(r, "revision"),
			Version:  rapid.Int64().Draw(r, "version"),
			Key:      rapid.OneOf(rapid.Just("id"), drawText().Filter(func(s string) bool { return s != "" })).Draw(r, "key"),
			Index:    rapid.MapOfN(drawText(), drawText(), 0, 3).Draw(r, "index"),
			State:    rapid.SliceOf(rapid.Byte()).Draw(r, "state"),
			Outbox:   drawEvents().Draw(r, "outbox"),
			Early:    drawEvents().Draw(r, "early"),
		}
		stored := encode(t, c, want)
		got, err := c.decode("id", stored)
		if err != nil {
			r.Fatalf("decode: %v", err)
		}
		clear(stored) // the page may be overwritten once the transaction has ended
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			r.Fatalf("record (-want +got):\n%s", diff)
		}
	})
}

func TestDecodeOfWhatIsNoRecord(t *testing.T) {
	c := newTestCodec(t)
	whole := encode(t, c, store.Record{ID: "id", Key: "id", Revision: 1, State: []byte("state")})
	other := append([]byte{2}, whole[1:]...)
	for _, test := range []struct {
		name   string
		stored []byte
		reason string
	}{
		{"nothing", nil, "too short"},
		{"part of the prefix", whole[:prefixBytes-1], "too short"},
		{"prefix alone", whole[:prefixBytes], "cut off"},
		{"content cut off", whole[:prefixBytes+2], "cut off"},
		{"no head", whole[:prefixBytes+binary.BigEndian.Uint32(whole[1:])], "decode head"},
		{"head cut off", whole[:len(whole)-1], "decode head"},
		{"trailing bytes", append(append([]byte{}, whole...), 0), "decode head"},
		{"another format", other, "unknown format 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := c.decode("id", test.stored)
			if err == nil || !strings.Contains(err.Error(), test.reason) {
				t.Errorf("decode = %v, want %q", err, test.reason)
			}
			if _, headErr := c.decodeHead(test.stored); headErr == nil {
				t.Error("decodeHead succeeded")
			}
		})
	}
}

// FuzzDecode sees that no stored bytes end the process, and that what is read can be written again.
func FuzzDecode(f *testing.F) {
	c := newTestCodec(f)
	f.Add([]byte{})
	f.Add([]byte{formatCBOR, 0, 0, 0, 0})
	f.Add(encode(f, c, store.Record{ID: "id", Key: "id", Revision: 1}))
	f.Add(encode(f, c, store.Record{
		ID: "id", Key: "k", Revision: 3, Version: 2, Index: map[string]string{"user": "u"}, State: []byte("state"),
		Outbox: map[int64]store.Event{2: {Channel: "c", At: time.UnixMilli(5), Data: []byte("d")}},
		Early:  map[int64]store.Event{4: {Channel: "c", Sequence: 9, At: time.UnixMilli(6), Data: []byte("e")}},
	}))
	f.Fuzz(func(t *testing.T, stored []byte) {
		if h, err := c.decodeHead(stored); err == nil {
			if _, err := cbor.Marshal(h); err != nil {
				t.Errorf("a head that was read cannot be written: %v", err)
			}
		}
		r, err := c.decode("id", stored)
		if err != nil {
			return
		}
		again, err := c.decode("id", encode(t, c, r))
		if err != nil {
			t.Fatalf("a record that was read and written cannot be read: %v", err)
		}
		if diff := cmp.Diff(r, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("record (-first +second):\n%s", diff)
		}
	})
}
