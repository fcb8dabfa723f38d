package httpapi_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
)

func TestWriteListShowsOnePage(t *testing.T) {
	for _, tt := range []struct {
		name       string
		found      []string
		body, link string
	}{
		{"nothing", nil, `[]`, ""},
		{"less than a page", []string{"a"}, `["a"]`, ""},
		{"exactly a page", []string{"a", "b"}, `["a","b"]`, ""},
		{"more than a page", []string{"a", "b", "c"}, `["a","b"]`, `<?after=b&limit=2>; rel="next"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, "/?limit=2", nil)
			err := httpapi.WriteList(w, r, httpapi.Page{Limit: 2}, tt.found, func(s string) string { return s })
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(w.Body.String()); got != tt.body || w.Header().Get("Link") != tt.link {
				t.Errorf("answer = %s, Link %q, want %s, Link %q", got, w.Header().Get("Link"), tt.body, tt.link)
			}
		})
	}
}

func TestPathIDTakesOnlyIDs(t *testing.T) {
	for id, want := range map[string]fault.Kind{
		"65a000000000000000000001":  0,
		"65A000000000000000000001":  fault.Invalid,
		"65a00000000000000000000":   fault.Invalid,
		"65a0000000000000000000012": fault.Invalid,
		"%36%35a000000000000000000": fault.Invalid,
	} {
		r := httpapi.NewRouter(slog.New(slog.DiscardHandler))
		var got error
		r.Get("/tickets/{id}", func(_ http.ResponseWriter, r *http.Request) { _, got = httpapi.PathID(r, "id") })
		r.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/tickets/"+id, nil))
		if fault.KindOf(got) != want {
			t.Errorf("PathID(%s) = %v, want kind %v", id, got, want)
		}
	}
}
