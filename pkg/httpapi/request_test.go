package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
)

func TestParsePrecondition(t *testing.T) {
	const every = -1 // there is no condition
	for _, tt := range []struct {
		name  string
		lines []string
		holds event.Version // the only version that it holds at
		kind  fault.Kind
	}{
		{"no header", nil, every, 0},
		{"any", []string{"*"}, every, 0},
		{"a version", []string{`"7"`}, 7, 0},
		{"version 0", []string{` "0" `}, 0, 0},
		{"the version twice", []string{`"7", "7"`}, 7, 0},
		{"a version among others", []string{`W/"7",, "abc"`, ` "8"`}, 8, 0},
		{"a comma within a tag", []string{`"a,b", "7"`}, 7, 0},
		{"two versions", []string{`"7", "8"`}, every, fault.Invalid},
		{"weak", []string{`W/"7"`}, every, fault.Stale},
		{"no version of ours", []string{`"abc"`}, every, fault.Stale},
		{"not canonical", []string{`"07"`}, every, fault.Stale},
		{"negative", []string{`"-1"`}, every, fault.Stale},
		{"beyond 64 bits", []string{`"99999999999999999999"`}, every, fault.Stale},
		{"empty", []string{""}, every, fault.Invalid},
		{"unquoted", []string{`7`}, every, fault.Invalid},
		{"unclosed", []string{`"7`}, every, fault.Invalid},
		{"weak and nothing", []string{`W/`}, every, fault.Invalid},
		{"no comma", []string{`"7" "8"`}, every, fault.Invalid},
		{"any among others", []string{`"7", *`}, every, fault.Invalid},
		{"a space within a tag", []string{`"7 8"`}, every, fault.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPut, "/", nil)
			for _, line := range tt.lines {
				r.Header.Add("If-Match", line)
			}
			p, err := httpapi.ParsePrecondition(r)
			if fault.KindOf(err) != tt.kind {
				t.Errorf("error is %v, want kind %v", err, tt.kind)
			}
			for version := range event.Version(10) {
				want := tt.holds == every || tt.holds == version
				if err := p.Check("ticket", version, nil); (err == nil) != want {
					t.Errorf("at version %d: %v, want it to hold: %v", version, err, want)
				}
			}
		})
	}
}

func TestAPreconditionWeighsMoreThanAllButForbidden(t *testing.T) {
	r := httptest.NewRequest(http.MethodPut, "/", nil)
	r.Header.Set("If-Match", `"7"`)
	p, err := httpapi.ParsePrecondition(r)
	if err != nil {
		t.Fatal(err)
	}
	stale := fault.New(fault.Stale, "the ticket has been changed since it was read")
	noChange, forbidden, conflict := errors.New("nothing changes"), fault.New(fault.Forbidden, "not yours"), fault.New(fault.Conflict, "reserved")
	for _, tt := range []struct {
		name                    string
		outcome, at7, elsewhere error
	}{
		{"a change", nil, nil, stale},
		{"nothing to change", noChange, noChange, stale},
		{"a conflict", conflict, conflict, stale},
		{"forbidden", forbidden, forbidden, forbidden},
		{"forbidden, wrapped", fmt.Errorf("edit: %w", forbidden), forbidden, forbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for version, want := range map[event.Version]error{6: tt.elsewhere, 7: tt.at7, 8: tt.elsewhere} {
				got := p.Check("ticket", version, tt.outcome)
				if fault.KindOf(got) != fault.KindOf(want) || fmt.Sprint(got) != fmt.Sprint(want) && !errors.Is(got, want) {
					t.Errorf("at version %d: %v, want %v", version, got, want)
				}
			}
			if got := (httpapi.Precondition{}).Check("ticket", 6, tt.outcome); got != tt.outcome {
				t.Errorf("without a condition: %v, want %v", got, tt.outcome)
			}
		})
	}
}

func TestAnETagIsAPrecondition(t *testing.T) {
	w := httptest.NewRecorder()
	httpapi.SetETag(w, 1<<40)
	r := httptest.NewRequest(http.MethodPut, "/", nil)
	r.Header.Set("If-Match", w.Header().Get("ETag"))
	p, err := httpapi.ParsePrecondition(r)
	if err != nil || p.Check("ticket", 1<<40, nil) != nil || p.Check("ticket", 1, nil) == nil {
		t.Errorf("ParsePrecondition(%s) = %+v, %v", w.Header().Get("ETag"), p, err)
	}
}

// FuzzParsePrecondition: a header is refused as the client's fault, or holds at one version or at all.
func FuzzParsePrecondition(f *testing.F) {
	for _, seed := range []string{`"7"`, `W/"7"`, `"a", "8"`, `*`, `"`} {
		f.Add(seed, int64(7))
	}
	f.Fuzz(func(t *testing.T, header string, version int64) {
		r := &http.Request{Header: http.Header{"If-Match": {header}}}
		p, err := httpapi.ParsePrecondition(r)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.Stale || p != (httpapi.Precondition{}) {
				t.Errorf("ParsePrecondition(%q) = %+v, %v", header, p, err)
			}
			return
		}
		here, there := p.Check("ticket", event.Version(version), nil), p.Check("ticket", event.Version(version)+1, nil)
		if here == nil && there == nil && p != (httpapi.Precondition{}) {
			t.Errorf("%q holds at version %d and the one after", header, version)
		}
		if negative := p.Check("ticket", -1, nil); negative == nil && p != (httpapi.Precondition{}) {
			t.Errorf("%q holds at version -1", header)
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
