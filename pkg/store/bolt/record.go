package bolt

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/fxamacker/cbor/v2"

	"ticketing/pkg/store"
)

// A stored record is
//
//	format (1 byte) | length of content (4 bytes) | content (CBOR) | head (CBOR)
//
// The content is replaced whole by every write and is encoded by the caller; the head is what the next
// write must know of the stored record, and is all that the writer decodes and encodes. The id is the
// key of the record and not repeated.
const (
	formatCBOR  = 1
	prefixBytes = 1 + 4
)

// content is the part of a record that is replaced whole.
type content struct {
	_     struct{} `cbor:",toarray"`
	State []byte
	Early map[int64]event
}

// head is the part of a record that the next write starts from. E is how far the events of the
// outbox are decoded: whole for readers, not at all for the writer.
type head[E event | cbor.RawMessage] struct {
	_        struct{} `cbor:",toarray"`
	Revision int64
	Version  int64
	// Key is empty where the record's key is its id.
	Key    string
	Index  map[string]string
	Outbox map[int64]E
}

// event is a store.Event with its time in milliseconds since 1970.
type event struct {
	_        struct{} `cbor:",toarray"`
	Channel  string
	Sequence uint64
	At       int64
	Data     []byte
}

func fromEvent(e store.Event) event {
	return event{Channel: e.Channel, Sequence: e.Sequence, At: e.At.UnixMilli(), Data: e.Data}
}

func (e event) event() store.Event {
	return store.Event{Channel: e.Channel, Sequence: e.Sequence, At: time.UnixMilli(e.At).UTC(), Data: e.Data}
}

func toEvents(events map[int64]event) map[int64]store.Event {
	if len(events) == 0 {
		return nil
	}
	out := make(map[int64]store.Event, len(events))
	for version, e := range events {
		out[version] = e.event()
	}
	return out
}

// codec turns records into bytes and back. It may be used concurrently.
type codec struct {
	enc cbor.UserBufferEncMode
	dec cbor.DecMode
}

func newCodec() (codec, error) {
	enc, err := cbor.EncOptions{}.UserBufferEncMode()
	if err != nil {
		return codec{}, fmt.Errorf("cbor encoding: %w", err)
	}
	// Strings come back as they were written, valid UTF-8 or not: a record once stored can be read.
	dec, err := cbor.DecOptions{UTF8: cbor.UTF8DecodeInvalid}.DecMode()
	if err != nil {
		return codec{}, fmt.Errorf("cbor decoding: %w", err)
	}
	return codec{enc: enc, dec: dec}, nil
}

// encodeContent begins a stored record; the buffer has room for a usual head.
func (c codec) encodeContent(state []byte, early map[int64]store.Event) (*bytes.Buffer, error) {
	body := content{State: state}
	size := len(state)
	if len(early) > 0 {
		body.Early = make(map[int64]event, len(early))
		for version, e := range early {
			body.Early[version] = fromEvent(e)
			size += len(e.Data) + len(e.Channel)
		}
	}
	buf := bytes.NewBuffer(make([]byte, prefixBytes, prefixBytes+size+192))
	if err := c.enc.MarshalToBuffer(body, buf); err != nil {
		return nil, err
	}
	record := buf.Bytes()
	record[0] = formatCBOR
	binary.BigEndian.PutUint32(record[1:], uint32(len(record)-prefixBytes))
	return buf, nil
}

// split checks the outer form of a stored record and returns its two parts.
func split(stored []byte) (body, head []byte, err error) {
	if len(stored) < prefixBytes {
		return nil, nil, errors.New("record is too short")
	}
	if stored[0] != formatCBOR {
		return nil, nil, fmt.Errorf("record has unknown format %d", stored[0])
	}
	length := uint64(binary.BigEndian.Uint32(stored[1:]))
	rest := stored[prefixBytes:]
	if length > uint64(len(rest)) {
		return nil, nil, errors.New("record is cut off")
	}
	return rest[:length], rest[length:], nil
}

// decodeHead reads what a write must know of the stored record.
func (c codec) decodeHead(stored []byte) (head[cbor.RawMessage], error) {
	var h head[cbor.RawMessage]
	_, part, err := split(stored)
	if err != nil {
		return h, err
	}
	if err := c.dec.Unmarshal(part, &h); err != nil {
		return h, fmt.Errorf("decode head: %w", err)
	}
	return h, nil
}

// decode reads a whole record. The result shares no memory with stored.
func (c codec) decode(id string, stored []byte) (store.Record, error) {
	bodyPart, headPart, err := split(stored)
	if err != nil {
		return store.Record{}, err
	}
	var body content
	if err := c.dec.Unmarshal(bodyPart, &body); err != nil {
		return store.Record{}, fmt.Errorf("decode content: %w", err)
	}
	var h head[event]
	if err := c.dec.Unmarshal(headPart, &h); err != nil {
		return store.Record{}, fmt.Errorf("decode head: %w", err)
	}
	if h.Key == "" {
		h.Key = id
	}
	return store.Record{
		ID:       id,
		Revision: h.Revision,
		Version:  h.Version,
		Key:      h.Key,
		Index:    h.Index,
		State:    body.State,
		Outbox:   toEvents(h.Outbox),
		Early:    toEvents(body.Early),
	}, nil
}
