package event_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"ticketing/pkg/event"
)

func TestGoldenExamplesSurviveDecodingAndEncoding(t *testing.T) {
	for row := range event.Contract {
		value, err := row.Decode([]byte(row.Golden))
		if err != nil {
			t.Errorf("decode: %v", err)
			continue
		}
		if got := value.(interface{ Subject() event.Subject }).Subject(); got != row.Subject {
			t.Errorf("%s: decodes to an event of %s", row.Subject, got)
		}
		again, err := row.Encode(value)
		if err != nil {
			t.Errorf("encode: %v", err)
		}
		if diff := cmp.Diff(row.Golden, string(again)); diff != "" {
			t.Errorf("%s: encoded differs (-want +got):\n%s", row.Subject, diff)
		}
	}
}

func TestGoldenExamplesHaveEveryField(t *testing.T) {
	for row := range event.Contract {
		var want, got []string
		for _, f := range row.Fields() {
			want = append(want, f.Name)
		}
		gjson.Parse(row.Golden).ForEach(func(name, _ gjson.Result) bool {
			got = append(got, name.Str)
			return true
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: fields of the golden example (-want +got):\n%s", row.Subject, diff)
		}
	}
}

func TestEveryFieldIsChecked(t *testing.T) {
	wrong := []any{true, []any{}, "", -1} // each is wrong for every field of the contract
	for row := range event.Contract {
		optional := map[string]bool{}
		for _, f := range row.Fields() {
			optional[f.Name] = f.Optional
		}
		for path := range members(row) {
			without := change(t, row, path, func(parent map[string]any, name string) { delete(parent, name) })
			null := change(t, row, path, func(parent map[string]any, name string) { parent[name] = nil })
			for _, data := range [][]byte{without, null} {
				if !optional[path] {
					wantPoison(t, row, data, path)
				} else if _, err := row.Decode(data); err != nil {
					t.Errorf("without the optional %s: %v", path, err)
				}
			}
			for _, value := range wrong {
				wantPoison(t, row, change(t, row, path, func(parent map[string]any, name string) { parent[name] = value }), path)
			}
		}
	}
}

func TestUnknownFieldsAreIgnored(t *testing.T) {
	for row := range event.Contract {
		want, err := row.Decode([]byte(row.Golden))
		if err != nil {
			t.Fatal(err)
		}
		for path := range members(row) {
			data := change(t, row, path, func(parent map[string]any, _ string) { parent["unknown"] = []any{map[string]any{"id": 1}} })
			got, err := row.Decode(data)
			if err != nil {
				t.Errorf("an unknown field next to %s: %v", path, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: an unknown field next to %s (-want +got):\n%s", row.Subject, path, diff)
			}
		}
	}
}

// A field that was added later is missing from the events of before, which a rebuild replays. For each optional field
// testdata/earlier keeps such an event: the golden example of the time before the field.
func TestEventsFromBeforeAFieldDecode(t *testing.T) {
	kept, err := filepath.Glob("testdata/earlier/*.json")
	if err != nil {
		t.Fatal(err)
	}
	unused := map[string]bool{}
	for _, file := range kept {
		unused[file] = true
	}
	for row := range event.Contract {
		for _, f := range row.Fields() {
			if !f.Optional {
				continue
			}
			file := filepath.Join("testdata", "earlier", strings.ReplaceAll(string(row.Subject), ":", "_")+"."+f.Name+".json")
			delete(unused, file)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Errorf("%s: no event from before %s: %v", row.Subject, f.Name, err)
				continue
			}
			if gjson.GetBytes(data, f.Name).Exists() {
				t.Errorf("%s has the field", file)
			}
			if _, err := row.Decode(data); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
	for file := range unused {
		t.Errorf("%s belongs to no optional field", file)
	}
}

func TestAFieldOfAnotherChannelIsIgnored(t *testing.T) {
	const reserved = `{"id":"65a1b2c3d4e5f60718293a4b","version":VERSION,"title":"a","price":10,` +
		`"userId":"65a1b2c3d4e5f60718293a00","orderId":"nonsense"}`
	created := strings.Replace(reserved, "VERSION", "0", 1)
	got, err := event.Decode[event.Ticket](event.SubjectTicketCreated, []byte(created))
	if want := (event.Ticket{ID: ticketID, Title: "a", Price: 1000, UserID: userID}); err != nil || got != want {
		t.Errorf("ticket:created: got %+v, %v; want %+v", got, err, want)
	}
	updated := strings.Replace(reserved, "VERSION", "1", 1)
	_, err = event.Decode[event.Ticket](event.SubjectTicketUpdated, []byte(updated))
	if err == nil || !strings.HasPrefix(err.Error(), "ticket:updated: orderId: ") {
		t.Errorf("ticket:updated: error is %v, want one about orderId", err)
	}
}

func TestLookup(t *testing.T) {
	for _, subject := range event.Subjects() {
		row, err := event.Lookup(subject)
		if err != nil || row.Subject != subject {
			t.Errorf("Lookup(%s) = %s, %v", subject, row.Subject, err)
		}
	}
	for _, unknown := range []event.Subject{"", "ticket:craeted", "ticket:createdd"} {
		_, err := event.Lookup(unknown)
		want := string(unknown) + ": unknown subject; the contract has ticket:created, ticket:updated, order:created"
		var decodeError *event.DecodeError
		if !errors.As(err, &decodeError) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("Lookup(%q): error is %v, want a *DecodeError: %s", unknown, err, want)
		}
		if _, err := event.Decode[event.Ticket](unknown, []byte(`{}`)); !errors.As(err, &decodeError) {
			t.Errorf("Decode on %q: error is %v, want a *DecodeError", unknown, err)
		}
	}
}

// The document is what people write a service in another language from.
func TestTheDocumentHasTheSameTable(t *testing.T) {
	document, err := os.ReadFile("../../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(document), "\n## Events\n")
	section, _, _ = strings.Cut(section, "\n## ")
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| `\\{([^`]*)\\}`")
	nested := regexp.MustCompile(`\{[^{}]*\}`)
	name := regexp.MustCompile(`"(\w+)"(?::[^,]*)?(\?)?`)
	documented := map[event.Subject][]event.Field{}
	for _, r := range row.FindAllStringSubmatch(section, -1) {
		for _, f := range name.FindAllStringSubmatch(nested.ReplaceAllString(r[2], ""), -1) {
			documented[event.Subject(r[1])] = append(documented[event.Subject(r[1])], event.Field{Name: f[1], Optional: f[2] != ""})
		}
	}
	contract := map[event.Subject][]event.Field{}
	for row := range event.Contract {
		contract[row.Subject] = row.Fields()
	}
	if diff := cmp.Diff(contract, documented); diff != "" {
		t.Errorf("docs/contract.md, Events (-contract +document):\n%s", diff)
	}
}

// members yields the path of each member of the row's golden example, nested ones too: "ticket", "ticket.id".
func members(row event.Row) func(yield func(string) bool) {
	var walk func(object gjson.Result, prefix string) []string
	walk = func(object gjson.Result, prefix string) (paths []string) {
		object.ForEach(func(name, value gjson.Result) bool {
			paths = append(paths, prefix+name.Str)
			if value.IsObject() {
				paths = append(paths, walk(value, prefix+name.Str+".")...)
			}
			return true
		})
		return paths
	}
	return slices.Values(walk(gjson.Parse(row.Golden), ""))
}

// change returns the row's golden example after do, which is given the object that has the path's last name.
func change(t *testing.T, row event.Row, path string, do func(parent map[string]any, name string)) []byte {
	t.Helper()
	var example map[string]any
	if err := json.Unmarshal([]byte(row.Golden), &example); err != nil {
		t.Fatal(err)
	}
	parent, names := example, strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		parent = parent[name].(map[string]any)
	}
	do(parent, names[len(names)-1])
	data, err := json.Marshal(example)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// wantPoison checks that decoding data fails and names the field.
func wantPoison(t *testing.T, row event.Row, data []byte, field string) {
	t.Helper()
	_, err := row.Decode(data)
	var decodeError *event.DecodeError
	if !errors.As(err, &decodeError) || decodeError.Subject != row.Subject || decodeError.Field != field {
		t.Errorf("%s: %s: error is %v, want one that names %s", row.Subject, data, err, field)
	}
}
