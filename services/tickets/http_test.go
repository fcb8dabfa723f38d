package tickets_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
)

func TestASellerOffersATicketAndEditsIt(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)

	// Given a ticket that ann offers
	created := s.Expect(t, post(session, `{"title":"Rock & Roll <live>","price":20.50,"userId":"`+string(bob)+`","version":9}`), 201)
	id := servicetest.Decode[ticket](t, created).ID
	path := "/api/tickets/" + string(id)
	want := fmt.Sprintf(`{"id":"%s","title":"Rock & Roll <live>","price":20.5,"userId":"%s","version":0,"status":"free"}`, id, ann)
	if created.Body != want || created.Header.Get("Location") != path || created.Header.Get("ETag") != `"0"` {
		t.Errorf("created %s %v, want %s", created.Body, created.Header, want)
	}
	if _, err := event.ParseID(string(id)); err != nil {
		t.Errorf("id %s: %v", id, err)
	}

	// Then everybody can read it
	if shown := s.Expect(t, get(path), 200); shown.Body != want || shown.Header.Get("ETag") != `"0"` {
		t.Errorf("shown %s %v, want %s", shown.Body, shown.Header, want)
	}
	if listed := s.Expect(t, get("/api/tickets"), 200); listed.Body != "["+want+"]" {
		t.Errorf("listed %s, want %s alone", listed.Body, want)
	}
	if head := s.Expect(t, servicetest.Request{Line: "HEAD " + path}, 200); head.Body != "" || head.Header.Get("ETag") != `"0"` {
		t.Errorf("head %v %q", head.Header, head.Body)
	}

	// When she edits it, then everybody reads the next version
	want = fmt.Sprintf(`{"id":"%s","title":"opera","price":0.01,"userId":"%s","version":1,"status":"free"}`, id, ann)
	if edited := s.Expect(t, put(id, session, `{"title":"opera","price":" 0.01 "}`), 200); edited.Body != want || edited.Header.Get("ETag") != `"1"` {
		t.Errorf("edited %s %v, want %s", edited.Body, edited.Header, want)
	}
	if shown := s.Expect(t, get(path), 200); shown.Body != want {
		t.Errorf("shown %s, want %s", shown.Body, want)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	s := start(t)
	id := s.offer(t).ID
	annsSession, bobsSession := servicetest.SignIn(t, ann), servicetest.SignIn(t, bob)
	before := s.records(t)
	for _, tt := range []struct {
		name    string
		request servicetest.Request
		status  int
	}{
		{"nobody offers", post("", concert), 401},
		{"nobody edits", put(id, "", concert), 401},
		{"nobody edits badly", put(id, "", `{`), 401},
		{"nobody edits what is not there", put(unknown, "", concert), 401},
		{"bob edits ann's", put(id, bobsSession, draftOf(1)), 403},
		{"bob edits ann's to what it is", put(id, bobsSession, concert), 403},
		{"bob edits ann's badly", put(id, bobsSession, `{}`), 403},
		{"ann edits what is not there", put(unknown, annsSession, concert), 404},
		{"what is not there is read", get("/api/tickets/" + string(unknown)), 404},
		{"a ticket is deleted", servicetest.Request{Line: "DELETE /api/tickets/" + string(id), Session: annsSession}, 405},
		{"a ticket is patched", servicetest.Request{Line: "PATCH /api/tickets/" + string(id), Session: annsSession}, 405},
		{"the list is put", servicetest.Request{Line: "PUT /api/tickets", Session: annsSession}, 405},
		{"a path below a ticket", get("/api/tickets/" + string(id) + "/orders"), 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.MustSend(t, tt.request).CheckProblem(t, tt.status, "")
		})
	}
	if diff := cmp.Diff(before, s.records(t)); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}
	if lines := s.log.Complaints(); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

func TestIfMatch(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	sold := s.offer(t)
	s.Expect(t, put(sold.ID, session, draftOf(1)), 200) // it stands at version 1
	before := s.records(t)
	send := func(t *testing.T, session, ifMatch, draft string) servicetest.Answer {
		t.Helper()
		r := put(sold.ID, session, draft)
		r.IfMatch = ifMatch
		return s.MustSend(t, r)
	}

	for _, tt := range []struct {
		name, ifMatch, draft string
		status               int
	}{
		{"an old version", `"0"`, draftOf(2), 412},
		{"a version to come", `"2"`, draftOf(2), 412},
		{"an old version and what is so already", `"0"`, draftOf(1), 412},
		{"a weak tag", `W/"1"`, draftOf(2), 412},
		{"no version", `"one"`, draftOf(2), 412},
		{"no tag", `1`, draftOf(2), 400},
		{"two versions", `"0", "1"`, draftOf(2), 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send(t, session, tt.ifMatch, tt.draft).CheckProblem(t, tt.status, "")
		})
	}
	t.Run("somebody else's old version", func(t *testing.T) {
		send(t, servicetest.SignIn(t, bob), `"0"`, draftOf(2)).CheckProblem(t, 403, "")
	})
	if diff := cmp.Diff(before, s.records(t)); diff != "" {
		t.Fatalf("something was written (-before +after):\n%s", diff)
	}

	for i, ifMatch := range []string{`"1"`, `*`, `W/"1", "3"`} {
		answer := send(t, session, ifMatch, draftOf(10+i))
		if got, want := answer.Header.Get("ETag"), fmt.Sprintf(`"%d"`, 2+i); answer.Status != 200 || got != want {
			t.Errorf("If-Match %s = %d %s, want 200 %s", ifMatch, answer.Status, got, want)
		}
	}
	if lines := s.log.Complaints(); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

func TestAPutThatChangesNothing(t *testing.T) {
	s := start(t)
	sold := s.offer(t)
	for _, ifMatch := range []string{"", `"0"`} {
		for _, same := range []string{concert, `{"price":20.00,"title":"concert"}`, `{"title":"con\u0063ert","price":2e1}`} {
			r := put(sold.ID, servicetest.SignIn(t, ann), same)
			r.IfMatch = ifMatch
			answer := s.Expect(t, r, 200)
			if got := servicetest.Decode[ticket](t, answer); got != sold || answer.Header.Get("ETag") != `"0"` {
				t.Errorf("%s = %+v, %v, want %+v", same, got, answer.Header, sold)
			}
		}
	}
	s.Stop()
	if events := servicetest.Published(t, s.bus, event.SubjectTicketUpdated, 0); len(events) > 0 {
		t.Errorf("published %q", events)
	}
}

func TestTheListPageByPage(t *testing.T) {
	const count = 7
	s := start(t)
	if listed := s.Expect(t, get("/api/tickets"), 200); listed.Body != "[]" {
		t.Errorf("no tickets are listed as %s", listed.Body)
	}
	var want []string
	for i := range count {
		seller := []event.ID{ann, bob}[i%2]
		want = append(want, s.Expect(t, post(servicetest.SignIn(t, seller), draftOf(i)), 201).Body)
	}
	slices.Sort(want) // the id comes first
	for _, tt := range []struct {
		query string
		pages []int
	}{
		{"", []int{7}},
		{"?limit=200", []int{7}},
		{"?limit=7", []int{7}},
		{"?limit=6", []int{6, 1}},
		{"?limit=3", []int{3, 3, 1}},
		{"?limit=1", []int{1, 1, 1, 1, 1, 1, 1}},
	} {
		t.Run("query "+tt.query, func(t *testing.T) {
			pages := s.AllPages(t, "/api/tickets"+tt.query, "")
			var sizes []int
			for _, page := range pages {
				sizes = append(sizes, len(page))
			}
			if diff := cmp.Diff(tt.pages, sizes); diff != "" {
				t.Errorf("sizes of the pages (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(want, slices.Concat(pages...)); diff != "" {
				t.Errorf("tickets (-want +got):\n%s", diff)
			}
		})
	}
	beyond := s.Expect(t, get("/api/tickets?after="+strings.Repeat("f", 24)), 200)
	if beyond.Body != "[]" || beyond.Header.Get("Link") != "" {
		t.Errorf("after the last: %s %v", beyond.Body, beyond.Header)
	}
}
