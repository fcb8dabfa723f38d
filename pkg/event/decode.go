package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// DecodeError says why a payload is not an event of the contract.
type DecodeError struct {
	// Subject is the channel the payload came on.
	Subject Subject
	// Field is the path of the field at fault, "ticket.price" for instance; empty where it is the whole payload.
	Field string
	// Reason is for people: "missing", "must be a number".
	Reason string
}

// Error returns "ticket:updated: price: must be a number".
func (e *DecodeError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("%s: %s", e.Subject, e.Reason)
	}
	return fmt.Sprintf("%s: %s: %s", e.Subject, e.Field, e.Reason)
}

// field binds one name of a JSON object to what reads its value.
type field struct {
	name     string
	read     func(raw []byte) error
	optional bool
}

// required is a field that must be there and must not be null.
func required[T any](name string, into *T, read func([]byte, *T) error) field {
	return field{name: name, read: func(raw []byte) error { return read(raw, into) }}
}

// optional is a field that may be absent; null counts as absent.
func optional[T any](name string, into *T, read func([]byte, *T) error) field {
	f := required(name, into, read)
	f.optional = true
	return f
}

// nested is a required field that is an object of its own.
func nested(name string, fields ...field) field {
	return field{name: name, read: func(raw []byte) error { return readObject(raw, fields) }}
}

func decodeFields(subject Subject, data []byte, fields []field) error {
	if !utf8.Valid(data) {
		return &DecodeError{Subject: subject, Reason: "not valid UTF-8"}
	}
	err := readObject(data, fields)
	var decodeError *DecodeError
	if errors.As(err, &decodeError) {
		decodeError.Subject = subject
	}
	return err
}

// readObject reads an object field by field. Going through a map, rather than into a struct, is what
// makes names exact (encoding/json folds case), tells a missing field from a zero and names the one at fault.
func readObject(data []byte, fields []field) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil || object == nil {
		return &DecodeError{Reason: objectReason(err)}
	}
	for _, f := range fields {
		raw, ok := object[f.name]
		if !ok || string(raw) == "null" {
			if f.optional {
				continue
			}
			return &DecodeError{Field: f.name, Reason: "missing"}
		}
		if err := f.read(raw); err != nil {
			return atField(f.name, err)
		}
	}
	return nil
}

func objectReason(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("not JSON: %v at byte %d", syntax, syntax.Offset)
	}
	return "must be a JSON object"
}

// atField puts name in front of the path of an error that came from inside the field.
func atField(name string, err error) error {
	var inner *DecodeError
	if !errors.As(err, &inner) {
		return &DecodeError{Field: name, Reason: err.Error()}
	}
	path := name
	if inner.Field != "" {
		path += "." + inner.Field
	}
	return &DecodeError{Field: path, Reason: inner.Reason}
}

func readID(raw []byte, into *ID) error       { return into.UnmarshalJSON(raw) }
func readPrice(raw []byte, into *Price) error { return into.UnmarshalJSON(raw) }
func readTime(raw []byte, into *Time) error   { return into.UnmarshalJSON(raw) }

// readText reads a string that is not empty.
func readText(raw []byte, into *string) error {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return fmt.Errorf("must be a string")
	}
	if s == "" {
		return fmt.Errorf("must not be empty")
	}
	*into = s
	return nil
}

// readExactly reads a string that has only one possible value.
func readExactly(want string) func([]byte, *string) error {
	return func(raw []byte, into *string) error {
		if err := readText(raw, into); err != nil {
			return err
		}
		if *into != want {
			return fmt.Errorf("must be %q", want)
		}
		return nil
	}
}

// readVersion reads a version between the bounds that the channel allows.
func readVersion(least, most Version) func([]byte, *Version) error {
	return func(raw []byte, into *Version) error {
		n, err := strconv.ParseInt(string(raw), 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("must be at most %d", MaxVersion)
		case err != nil:
			return fmt.Errorf("must be an integer")
		case Version(n) < least || Version(n) > most:
			return fmt.Errorf("must be %s on this channel", bounds(least, most))
		}
		*into = Version(n)
		return nil
	}
}

func bounds(least, most Version) string {
	if least == most {
		return strconv.FormatInt(int64(least), 10)
	}
	return fmt.Sprintf("%d to %d", least, most)
}
