package httpapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

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
	object, err := parseObject(body)
	if err != nil {
		return v, err
	}
	if err := decodeFields(object, reflect.ValueOf(&v).Elem()); err != nil {
		var zero T
		return zero, err
	}
	return v, nil
}

func checkMediaType(header http.Header) error {
	if !isJSON(header.Get("Content-Type")) {
		return fault.New(fault.Unsupported, "Content-Type must be application/json")
	}
	if coding := header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
		return fault.New(fault.Unsupported, "Content-Encoding is not supported")
	}
	return nil
}

func isJSON(contentType string) bool {
	if contentType == "application/json" { // nearly always: it need not be taken apart
		return true
	}
	media, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	return err == nil && media == "application/json" && (charset == "" || strings.EqualFold(charset, "utf-8"))
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

// parseObject checks the whole body, which gjson expects to be valid.
func parseObject(body []byte) (gjson.Result, error) {
	if !utf8.Valid(body) {
		return gjson.Result{}, fault.New(fault.Invalid, "body must be UTF-8")
	}
	if !json.Valid(body) {
		return gjson.Result{}, fault.New(fault.Invalid, "body must be JSON"+whereNot(body))
	}
	object := gjson.ParseBytes(body)
	if !object.IsObject() { // another JSON value, null among them
		return gjson.Result{}, fault.New(fault.Invalid, "body must be a JSON object")
	}
	return object, nil
}

// whereNot says where a body stops being JSON.
func whereNot(body []byte) string {
	var syntax *json.SyntaxError
	if errors.As(json.Unmarshal(body, new(any)), &syntax) {
		return fmt.Sprintf(": error at byte %d", syntax.Offset)
	}
	return ""
}

// decodeFields decodes each member into the field of the struct that bears its name; of two with one name the last
// counts.
func decodeFields(object gjson.Result, target reflect.Value) error {
	given := make([]string, target.NumField()) // the JSON of each field; empty where there is none
	names := make([]string, target.NumField())
	for i := range names {
		names[i] = memberName(target.Type().Field(i))
	}
	object.ForEach(func(name, value gjson.Result) bool {
		if i := slices.Index(names, name.Str); i >= 0 && name.Str != "" {
			given[i] = value.Raw
		}
		return true
	})
	var wrong []error
	for i, raw := range given {
		if raw == "" {
			continue
		}
		if err := json.Unmarshal([]byte(raw), target.Field(i).Addr().Interface()); err != nil {
			wrong = append(wrong, fault.InvalidField(names[i], fieldMessage(err)))
		}
	}
	return fault.Join(wrong...)
}

// memberName is the JSON name of a field, empty where it has none.
func memberName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	switch {
	case !field.IsExported(), name == "-":
		return ""
	case name == "":
		return field.Name
	}
	return name
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
