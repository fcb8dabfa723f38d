package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"
	"unicode/utf8"

	"ticketing/pkg/fault"
)

// MaxBody is the largest request body that is read, in bytes.
const MaxBody = 1 << 20

// Decode reads the body as one JSON object into a T, a flat struct with json tags. Member names are
// matched exactly, unknown ones are ignored, missing ones leave the zero value: what is required
// is the rule's business.
//
// Each field is decoded by itself, so the error of a field type's own UnmarshalJSON, which cannot know
// its field, names it all the same. All wrong fields are reported together.
//
// It returns an Unsupported fault unless the Content-Type is application/json (with no charset or
// utf-8) and the body is not compressed, TooLarge beyond MaxBody, and Invalid for anything that is not
// exactly one JSON object in UTF-8 or does not fit T.
func Decode[T any](r *http.Request) (T, error) {
	var v T
	if err := checkMediaType(r.Header); err != nil {
		return v, err
	}
	body, err := readBody(r)
	if err != nil {
		return v, err
	}
	members, err := splitObject(body)
	if err != nil {
		return v, err
	}
	if err := decodeFields(members, reflect.ValueOf(&v).Elem()); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

func checkMediaType(header http.Header) error {
	media, params, err := mime.ParseMediaType(header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || media != "application/json" || (charset != "" && !strings.EqualFold(charset, "utf-8")) {
		return fault.New(fault.Unsupported, "Content-Type must be application/json")
	}
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return fault.New(fault.Unsupported, "Content-Encoding is not supported")
	}
	return nil
}

// readBody returns the whole body. The router has limited it already; the limit here is for handlers
// that run without it.
func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return nil, errTooLarge()
	}
	if err != nil { // the client stopped sending: it will hardly read this
		return nil, fault.New(fault.Invalid, "body could not be read")
	}
	return body, nil
}

func errTooLarge() error {
	return fault.New(fault.TooLarge, fmt.Sprintf("body must be at most %d bytes", MaxBody))
}

func splitObject(body []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, fault.New(fault.Invalid, "body must be UTF-8")
	}
	var members map[string]json.RawMessage
	err := json.Unmarshal(body, &members)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, fault.New(fault.Invalid, fmt.Sprintf("body must be JSON: error at byte %d", syntax.Offset))
	case err != nil || members == nil: // another JSON value, null among them
		return nil, fault.New(fault.Invalid, "body must be a JSON object")
	}
	return members, nil
}

// decodeFields decodes each member into the field of the struct that bears its name.
func decodeFields(members map[string]json.RawMessage, target reflect.Value) error {
	var wrong []error
	for i := range target.NumField() {
		field := target.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == "" {
			name = field.Name
		}
		raw, given := members[name]
		if !given || name == "-" {
			continue
		}
		if err := json.Unmarshal(raw, target.Field(i).Addr().Interface()); err != nil {
			wrong = append(wrong, fault.InvalidField(name, fieldMessage(err)))
		}
	}
	return fault.Join(wrong...)
}

// fieldMessage says what is wrong with a value. Errors of a type's own UnmarshalJSON are written for
// the client already.
func fieldMessage(err error) string {
	var wrongType *json.UnmarshalTypeError
	if !errors.As(err, &wrongType) {
		return err.Error()
	}
	switch wrongType.Type.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Float32, reflect.Float64:
		return "must be a number"
	case reflect.Slice, reflect.Array:
		return "must be an array"
	case reflect.Struct, reflect.Map:
		return "must be an object"
	}
	return "must be a whole number within range"
}
