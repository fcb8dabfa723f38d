package httpapi_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
)

type draft struct {
	Title  string      `json:"title"`
	Price  event.Price `json:"price"`
	Ticket event.ID    `json:"ticketId"`
	Seats  int         `json:"seats,omitempty"`
	Tags   []string    `json:"tags"`
	Open   bool
	Secret string `json:"-"`
}

func post(contentType, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func TestDecode(t *testing.T) {
	const id = "65a000000000000000000001"
	for _, tt := range []struct {
		name, body string
		want       draft
	}{
		{"all fields", `{"title":"Rock","price":10.05,"ticketId":"` + id + `","seats":2,"tags":["a"],"Open":true}`,
			draft{Title: "Rock", Price: 1005, Ticket: id, Seats: 2, Tags: []string{"a"}, Open: true}},
		{"none", ` {} `, draft{}},
		{"unknown ones are ignored", `{"title":"Rock","colour":{"r":[1]},"-":"x","Secret":"x"}`, draft{Title: "Rock"}},
		{"names match exactly", `{"Title":"Rock","OPEN":true}`, draft{}},
		{"null is missing", `{"title":null,"seats":null}`, draft{}},
		{"names may be escaped", `{"tit\u006ce":"Rock","\u0053ecret":"x","":"x"}`, draft{Title: "Rock"}},
		{"the last of two counts", `{"title":"a","title":"b"}`, draft{Title: "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, media := range []string{"application/json", "Application/JSON; charset=UTF-8"} {
				got, err := httpapi.Decode[draft](post(media, tt.body))
				if err != nil {
					t.Fatalf("%s: %v", media, err)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", media, diff)
				}
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	invalid := func(message, field string) *fault.Error {
		return &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{{Message: message, Field: field}}}
	}
	for _, tt := range []struct {
		name, body string
		want       *fault.Error
	}{
		{"nothing", ``, invalid("body must be JSON: error at byte 0", "")},
		{"half", `{"title":`, invalid("body must be JSON: error at byte 9", "")},
		{"NaN", `{"price":NaN}`, invalid("body must be JSON: error at byte 10", "")},
		{"trailing garbage", `{} x`, invalid("body must be JSON: error at byte 4", "")},
		{"two values", `{}{}`, invalid("body must be JSON: error at byte 3", "")},
		{"not UTF-8", "{\"title\":\"\xff\"}", invalid("body must be UTF-8", "")},
		{"null", `null`, invalid("body must be a JSON object", "")},
		{"array", `[{}]`, invalid("body must be a JSON object", "")},
		{"string", `"x"`, invalid("body must be a JSON object", "")},
		{"deep", strings.Repeat(`{"a":`, 200_000), invalid("body must be JSON: error at byte 50001", "")},
		{"title is a number", `{"title":1}`, invalid("must be a string", "title")},
		{"flag is a string", `{"Open":"yes"}`, invalid("must be true or false", "Open")},
		{"seats are half", `{"seats":1.5}`, invalid("must be a whole number within range", "seats")},
		{"tags are an object", `{"tags":{}}`, invalid("must be an array", "tags")},
		{"price is a string", `{"price":"20"}`, invalid("must be a number", "price")},
		{"price is too exact", `{"price":10.005}`, invalid("must have at most two decimals", "price")},
		{"id is none", `{"ticketId":"7"}`, invalid("must be 24 hex digits", "ticketId")},
		{"two wrong fields", `{"price":-1,"title":[]}`, &fault.Error{Kind: fault.Invalid, Details: []fault.Detail{
			{Message: "must be a string", Field: "title"},
			{Message: "must be greater than 0", Field: "price"},
		}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := httpapi.Decode[draft](post("application/json", tt.body))
			var f *fault.Error
			if !errors.As(err, &f) {
				t.Fatalf("err = %v, want a fault", err)
			}
			if diff := cmp.Diff(tt.want, f); diff != "" {
				t.Errorf("fault (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(draft{}, got); diff != "" {
				t.Errorf("half decoded:\n%s", diff)
			}
		})
	}
}

func TestDecodeRefusesOtherMedia(t *testing.T) {
	for _, media := range []string{
		"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1",
		"application/json;;", "application/problem+json", "json",
	} {
		_, err := httpapi.Decode[draft](post(media, `{}`))
		if got := fault.KindOf(err); got != fault.Unsupported {
			t.Errorf("%q: %v, want unsupported", media, err)
		}
	}
	compressed := post("application/json", `{}`)
	compressed.Header.Set("Content-Encoding", "gzip")
	if _, err := httpapi.Decode[draft](compressed); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("gzip: %v, want unsupported", err)
	}
}

func TestDecodeReadsOneMebibyteAndNoMore(t *testing.T) {
	body := `{"title":"` + strings.Repeat("x", httpapi.MaxBody-len(`{"title":""}`)) + `"}`
	if _, err := httpapi.Decode[draft](post("application/json", body)); err != nil {
		t.Errorf("%d bytes: %v", len(body), err)
	}
	_, err := httpapi.Decode[draft](post("application/json", body+" "))
	if fault.KindOf(err) != fault.TooLarge {
		t.Errorf("%d bytes: %v, want too large", len(body)+1, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"title":"Rock","price":10.05}`, `{"price":1e400}`, `[`, `null`, `{"a":{"b":[1,"\ud800"]}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := httpapi.Decode[draft](post("application/json", body))
		if err == nil {
			return
		}
		if k := fault.KindOf(err); k != fault.Invalid && k != fault.TooLarge {
			t.Errorf("Decode(%q) = %v, want a fault of the client", body, err)
		}
		if !cmp.Equal(got, draft{}) {
			t.Errorf("Decode(%q) returned %+v beside %v", body, got, err)
		}
	})
}
