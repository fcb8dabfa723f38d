package event

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// DecodeError says why a payload is not an event of the contract.
type DecodeError struct {
	// Subject is the channel the payload came on.
	Subject Subject
	// Field is the path of the field at fault, "ticket.price" for instance; empty if it is the whole payload.
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

// field is one name of a JSON object and what reads its value into a T. Read captures no variables, so that a list
// of fields costs next to nothing for each event (a list of closures took a quarter of the time of decoding).
type field[T any] struct {
	name string
	// on is the only channel of the payload that has the field; empty if all have it. A field that is not the same on
	// every channel is listed once for each. It must be empty in a nested object.
	on Subject
	// optional: the field may be absent; null counts as absent. Any other must be present and not null.
	optional bool
	read     func(value gjson.Result, into *T) error
}

// isOn reports whether the channel has the field. No channel has the unused rest of a list.
func (f *field[T]) isOn(subject Subject) bool { return f.name != "" && (f.on == "" || f.on == subject) }

// fields is a list of up to maxFields. It is an array, not a slice, so that it costs no allocation for each event.
type fields[T any] [maxFields]field[T]

// maxFields is enough for every payload of the contract; more do not compile.
const maxFields = 8

func decodeFields[T any](subject Subject, data []byte, list *fields[T], into *T) error {
	err := checkJSON(data)
	if err == nil {
		err = readObject(gjson.ParseBytes(data), subject, list, into)
	}
	if err == nil {
		return nil
	}
	var decodeError *DecodeError
	if errors.As(err, &decodeError) {
		decodeError.Subject = subject
	}
	return err
}

// checkJSON comes before gjson, which expects valid input.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return &DecodeError{Reason: "not valid UTF-8"}
	}
	if json.Valid(data) {
		return nil
	}
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(data, new(any)), &syntax) {
		return &DecodeError{Reason: fmt.Sprintf("not JSON: %v at byte %d", syntax, syntax.Offset)}
	}
	return &DecodeError{Reason: "not JSON"}
}

// readObject reads the fields that an object has on a channel. It goes over the object's members, not into a struct:
// so names are exact (encoding/json folds case), a missing field differs from a zero, and an error names the field at
// fault. Of two members with one name the last counts, as in JavaScript.
func readObject[T any](object gjson.Result, subject Subject, list *fields[T], into *T) error {
	if !object.IsObject() {
		return &DecodeError{Reason: "must be a JSON object"}
	}
	var values [maxFields]gjson.Result
	object.ForEach(func(name, value gjson.Result) bool {
		for i := range list {
			if list[i].name == name.Str && list[i].isOn(subject) {
				values[i] = value
				break
			}
		}
		return true
	})
	for i := range list {
		f := &list[i]
		switch missing := values[i].Type == gjson.Null; { // null, or not there
		case !f.isOn(subject), missing && f.optional:
		case missing:
			return &DecodeError{Field: f.name, Reason: "missing"}
		default:
			if err := f.read(values[i], into); err != nil {
				return atField(f.name, err)
			}
		}
	}
	return nil
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

func readID(value gjson.Result, into *ID) (err error) {
	if value.Type != gjson.String {
		return errors.New("must be a string of 24 hex digits")
	}
	*into, err = ParseID(value.Str)
	return err
}

func readPrice(value gjson.Result, into *Price) (err error) {
	*into, err = ParsePrice(value.Raw)
	return err
}

func readTime(value gjson.Result, into *Time) error { return into.UnmarshalJSON([]byte(value.Raw)) }

// readText reads a string that is not empty.
func readText(value gjson.Result, into *string) error {
	if value.Type != gjson.String {
		return errors.New("must be a string")
	}
	if value.Str == "" {
		return errors.New("must not be empty")
	}
	*into = value.Str
	return nil
}

// readExactly reads a string that has only one possible value.
func readExactly(value gjson.Result, into *string, want string) error {
	if err := readText(value, into); err != nil {
		return err
	}
	if *into != want {
		return fmt.Errorf("must be %q", want)
	}
	return nil
}

// readVersion reads a version between the bounds that the channel allows.
func readVersion(value gjson.Result, into *Version, least, most Version) error {
	n, err := strconv.ParseInt(value.Raw, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("must be at most %d", MaxVersion)
	case err != nil:
		return errors.New("must be an integer")
	case Version(n) < least || Version(n) > most:
		return fmt.Errorf("must be %s on this channel", bounds(least, most))
	}
	*into = Version(n)
	return nil
}

func bounds(least, most Version) string {
	if least == most {
		return strconv.FormatInt(int64(least), 10)
	}
	return fmt.Sprintf("%d to %d", least, most)
}
