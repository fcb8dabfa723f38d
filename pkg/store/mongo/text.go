package mongo

import (
	"fmt"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// text is bytes that are JSON in practice. Valid UTF-8 is stored as a string, which keeps every byte
// and can be read in mongosh; anything else as binary. The type in the document says which it was, so
// bytes come back exactly as they were. (A document of its own in BSON would not keep them: it
// changes numbers, order and spaces.)
type text []byte

var (
	_ bson.ValueMarshaler   = text(nil)
	_ bson.ValueUnmarshaler = (*text)(nil)
)

// MarshalBSONValue implements bson.ValueMarshaler.
func (t text) MarshalBSONValue() (byte, []byte, error) {
	var value any = bson.Binary{Data: t}
	if utf8.Valid(t) {
		value = string(t)
	}
	kind, data, err := bson.MarshalValue(value)
	return byte(kind), data, err
}

// UnmarshalBSONValue implements bson.ValueUnmarshaler. Empty bytes come back as nil.
func (t *text) UnmarshalBSONValue(kind byte, data []byte) error {
	value := bson.RawValue{Type: bson.Type(kind), Value: data}
	var bytes []byte
	if s, ok := value.StringValueOK(); ok {
		bytes = []byte(s)
	} else if _, b, ok := value.BinaryOK(); ok {
		bytes = b
	} else {
		return fmt.Errorf("want a string or binary, not %s", bson.Type(kind))
	}
	*t = append(text(nil), bytes...)
	return nil
}
