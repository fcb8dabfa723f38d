package oncall_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ticketing/pkg/event"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/oncall"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica"
	"ticketing/pkg/store/storetest/memstore"
)

// deskOf is the admin handler of a service that follows entities of some kinds.
func deskOf(t *testing.T, names ...string) (http.Handler, map[string]*parking.Lot) {
	t.Helper()
	db := memstore.New()
	desk := &oncall.Desk{Log: slog.New(slog.DiscardHandler), Now: time.Now}
	lots := map[string]*parking.Lot{}
	for _, name := range names {
		kind := replica.Kind[seen]{Name: name, Subjects: []event.Subject{event.Subject(name + ":said")}}
		r, err := replica.Open(t.Context(), kind, db, replica.Config{ParkingPage: 2}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		desk.Kinds = append(desk.Kinds, oncall.Kind{Replica: r})
		lots[name] = r.Parking()
	}
	admin := httpapi.Admin()
	desk.Routes(admin)
	return admin, lots
}

// pagesOf follows a list from page to page.
func pagesOf(t interface{ Fatalf(string, ...any) }, handler http.Handler, limit int) (pages [][]oncall.Parked) {
	query := fmt.Sprint("limit=", limit)
	for {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", "http://localhost/parked?"+query, nil))
		var page []oncall.Parked
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
			t.Fatalf("page %d answered %d %q: %v", len(pages), w.Code, w.Body, err)
		}
		pages = append(pages, page)
		link := w.Header().Get("Link")
		if link == "" {
			return pages
		}
		query = link[strings.Index(link, "?")+1 : strings.Index(link, ">")]
	}
}

// Whatever several kinds have parked, small and large, its pages together are all of it, once and in order.
func TestParkedEventsOfAllKindsInPages(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		handler, lots := deskOf(t, "seat", "ticket")
		var want []string
		for i := range rapid.IntRange(0, 5).Draw(rt, "parked") {
			kind := rapid.SampledFrom([]string{"seat", "ticket"}).Draw(rt, "kind")
			e := parking.Entry{Reason: parking.Early, Channel: kind + ":said", Entity: fmt.Sprint(kind, "/", i), Version: event.Version(i),
				Data: []byte(strings.Repeat("x", rapid.SampledFrom([]int{1, 1, 1, 600_000}).Draw(rt, "size")))}
			if err := lots[kind].Park(t.Context(), e); err != nil {
				rt.Fatal(err)
			}
			want = append(want, lots[kind].ID(e))
		}
		slices.Sort(want)
		limit := rapid.IntRange(1, 5).Draw(rt, "limit")
		var got []string
		for _, page := range pagesOf(rt, handler, limit) {
			if len(page) > limit {
				rt.Fatalf("a page of %d, want at most %d", len(page), limit)
			}
			for _, e := range page {
				got = append(got, e.ID)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
			rt.Fatalf("listed (-want +got):\n%s", diff)
		}
	})
}

// An event is found, retried and dropped at the kind that has it.
func TestAParkedEventOfTheSecondKind(t *testing.T) {
	handler, lots := deskOf(t, "seat", "ticket")
	e := parking.Entry{Reason: parking.Poison, Channel: "ticket:said", Version: event.None, Data: []byte("{")}
	if err := lots["ticket"].Park(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	path := "/parked/" + url.PathEscape(lots["ticket"].ID(e))
	for _, step := range []struct {
		method, path string
		want         int
	}{{"GET", path, 200}, {"DELETE", path, 204}, {"GET", path, 404}, {"POST", path + "/retry", 404}, {"DELETE", path, 404}} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(step.method, "http://localhost"+step.path, nil))
		if w.Code != step.want {
			t.Errorf("%s %s: %d, want %d", step.method, step.path, w.Code, step.want)
		}
	}
}

// A loss is forgotten if it is the one that was known, and a body that is none is refused.
func TestALossIsShownAndForgotten(t *testing.T) {
	handler, _ := deskOf(t, "ticket")
	for _, step := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/replicas/ticket/loss", "", 200},
		{"POST", "/replicas/ticket/mended", `{"events":0}`, 204},
		{"POST", "/replicas/ticket/mended", "", 400},
		{"GET", "/replicas/seat/loss", "", 404},
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(step.method, "http://localhost"+step.path, strings.NewReader(step.body)))
		if w.Code != step.want {
			t.Errorf("%s %s %q: %d %s, want %d", step.method, step.path, step.body, w.Code, w.Body, step.want)
		}
	}
}
