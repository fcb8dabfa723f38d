package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
)

func TestIfMatch(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lines   []string
		version int64
		ok      bool
		kind    fault.Kind
	}{
		{"no header", nil, 0, false, 0},
		{"any", []string{"*"}, 0, false, 0},
		{"a version", []string{`"7"`}, 7, true, 0},
		{"version 0", []string{` "0" `}, 0, true, 0},
		{"the version twice", []string{`"7", "7"`}, 7, true, 0},
		{"a version among others", []string{`W/"7",, "abc"`, ` "8"`}, 8, true, 0},
		{"a comma within a tag", []string{`"a,b", "7"`}, 7, true, 0},
		{"two versions", []string{`"7", "8"`}, 0, false, fault.Invalid},
		{"weak", []string{`W/"7"`}, 0, false, fault.Stale},
		{"no version of ours", []string{`"abc"`}, 0, false, fault.Stale},
		{"not canonical", []string{`"07"`}, 0, false, fault.Stale},
		{"negative", []string{`"-1"`}, 0, false, fault.Stale},
		{"beyond 64 bits", []string{`"99999999999999999999"`}, 0, false, fault.Stale},
		{"empty", []string{""}, 0, false, fault.Invalid},
		{"unquoted", []string{`7`}, 0, false, fault.Invalid},
		{"unclosed", []string{`"7`}, 0, false, fault.Invalid},
		{"weak and nothing", []string{`W/`}, 0, false, fault.Invalid},
		{"no comma", []string{`"7" "8"`}, 0, false, fault.Invalid},
		{"any among others", []string{`"7", *`}, 0, false, fault.Invalid},
		{"a space within a tag", []string{`"7 8"`}, 0, false, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPut, "/", nil)
			for _, line := range tt.lines {
				r.Header.Add("If-Match", line)
			}
			version, ok, err := httpapi.IfMatch(r)
			if version != tt.version || ok != tt.ok || fault.KindOf(err) != tt.kind {
				t.Errorf("IfMatch = %d, %v, %v, want %d, %v, %v", version, ok, err, tt.version, tt.ok, tt.kind)
			}
		})
	}
}

func TestETagIsWhatIfMatchReads(t *testing.T) {
	w := httptest.NewRecorder()
	httpapi.SetETag(w, 1<<40)
	r := httptest.NewRequest(http.MethodPut, "/", nil)
	r.Header.Set("If-Match", w.Header().Get("ETag"))
	if version, ok, err := httpapi.IfMatch(r); version != 1<<40 || !ok || err != nil {
		t.Errorf("IfMatch(%s) = %d, %v, %v", w.Header().Get("ETag"), version, ok, err)
	}
}

func FuzzIfMatch(f *testing.F) {
	for _, seed := range []string{`"7"`, `W/"7"`, `"a", "8"`, `*`, `"`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"If-Match": {header}}}
		version, ok, err := httpapi.IfMatch(r)
		if err != nil && (ok || (fault.KindOf(err) != fault.Invalid && fault.KindOf(err) != fault.Stale)) {
			t.Errorf("IfMatch(%q) = %v, %v", header, ok, err)
		}
		if version < 0 {
			t.Errorf("IfMatch(%q) = version %d", header, version)
		}
	})
}

func TestParsePage(t *testing.T) {
	const id = "65a000000000000000000001"
	for _, tt := range []struct {
		query string
		want  httpapi.Page
	}{
		{"", httpapi.Page{Limit: 50}},
		{"limit=1", httpapi.Page{Limit: 1}},
		{"limit=200&after=" + id, httpapi.Page{Limit: 200, After: id}},
		{"colour=red", httpapi.Page{Limit: 50}},
	} {
		got, err := httpapi.ParsePage(httptest.NewRequest(http.MethodGet, "/?"+tt.query, nil))
		if err != nil {
			t.Errorf("%q: %v", tt.query, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.query, diff)
		}
	}
	for _, query := range []string{
		"limit=", "limit=0", "limit=-1", "limit=201", "limit=1e2", "limit=abc", "limit=99999999999999999999",
		"limit=1&limit=2", "after=", "after=7", "after=65A000000000000000000001", "after=" + id + "&after=" + id,
		"limit=%zz", "limit=1;after=2",
	} {
		_, err := httpapi.ParsePage(httptest.NewRequest(http.MethodGet, "/?"+query, nil))
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v, want invalid", query, err)
		}
	}
}

func TestLinkNextKeepsTheQuery(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/api/tickets?limit=2&q=a%26b&after=65a000000000000000000001", nil)
	httpapi.LinkNext(w, r, "65a000000000000000000003")
	want := `<?after=65a000000000000000000003&limit=2&q=a%26b>; rel="next"`
	if got := w.Header().Get("Link"); got != want {
		t.Errorf("Link = %s, want %s", got, want)
	}
}

// FuzzParsePage: a query is refused as the client's fault, or is a page within the bounds, and what leads to the
// next page is read as that.
func FuzzParsePage(f *testing.F) {
	for _, seed := range []string{"", "limit=5&after=65a000000000000000000001", "limit=0x10", "limit=%35", "after=&after=", "limit=5;after=1", "%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/tickets", nil)
		r.URL.RawQuery = query
		page, err := httpapi.ParsePage(r)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("ParsePage(%q) = %v, want the client's fault", query, err)
			}
			return
		}
		if page.Limit < 1 || page.Limit > 200 {
			t.Errorf("ParsePage(%q) has a limit of %d", query, page.Limit)
		}
		const last = "65a0000000000000000000ff"
		w := httptest.NewRecorder()
		httpapi.LinkNext(w, r, last)
		target := strings.TrimSuffix(strings.TrimPrefix(w.Header().Get("Link"), "<"), `>; rel="next"`)
		next, err := httpapi.ParsePage(httptest.NewRequest(http.MethodGet, "/tickets"+target, nil))
		if err != nil || next.Limit != page.Limit || next.After != last {
			t.Errorf("the page after ParsePage(%q) is %+v, %v; its link: %s", query, next, err, target)
		}
	})
}
