package orders_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
)

func TestABuyerOrdersAndCancels(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	sold := s.seeNew(t)

	// Given an order
	created := s.Expect(t, wish(session, sold.ID), 201)
	id := servicetest.Decode[order](t, created).ID
	text := func(version int, status string) string {
		return fmt.Sprintf(`{"id":"%s","version":%d,"userId":"%s","status":"%s","expiresAt":"2026-01-02T03:14:05.678Z",`+
			`"ticket":{"id":"%s","title":"concert","price":20.5,"version":0}}`, id, version, ann, status, sold.ID)
	}
	if created.Body != text(0, "created") || created.Header.Get("Location") != "/api/orders/"+string(id) || created.Header.Get("ETag") != `"0"` {
		t.Errorf("created %s %v, want %s", created.Body, created.Header, text(0, "created"))
	}
	if shown := s.Expect(t, show(session, id), 200); shown.Body != text(0, "created") || shown.Header.Get("ETag") != `"0"` {
		t.Errorf("shown %s %v", shown.Body, shown.Header)
	}

	// When it is cancelled, twice, then it is so once
	for range 2 {
		if answer := s.Expect(t, cancel(session, id), 204); answer.Body != "" {
			t.Errorf("cancelled %s", answer.Body)
		}
		if shown := s.Expect(t, show(session, id), 200); shown.Body != text(1, "cancelled") || shown.Header.Get("ETag") != `"1"` {
			t.Errorf("shown %s %v", shown.Body, shown.Header)
		}
	}

	// And the ticket can be ordered again
	if again := s.place(t, ann, sold.ID); again.ID == id || again.Version != 0 || again.Status != "created" {
		t.Errorf("ordered again: %+v", again)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	s := start(t)
	held := s.seeNew(t)
	mine := s.place(t, ann, held.ID)
	annsSession, bobsSession := servicetest.SignIn(t, ann), servicetest.SignIn(t, bob)
	early := event.Ticket{ID: event.NewID(servicetest.Now()), Version: 1, Title: "early", Price: 1, UserID: seller}
	s.tell(t, early)
	before := s.records(t)
	for _, tt := range []struct {
		name    string
		request servicetest.Request
		status  int
		field   string
	}{
		{"nobody orders", wish("", held.ID), 401, ""},
		{"nobody lists", servicetest.Request{Line: "GET /api/orders"}, 401, ""},
		{"nobody reads ann's", show("", mine.ID), 401, ""},
		{"nobody cancels ann's", cancel("", mine.ID), 401, ""},
		{"nobody reads what is not there", show("", unknown), 401, ""},
		{"bob reads ann's", show(bobsSession, mine.ID), 403, ""},
		{"bob cancels ann's", cancel(bobsSession, mine.ID), 403, ""},
		{"ann reads what is not there", show(annsSession, unknown), 404, ""},
		{"ann cancels what is not there", cancel(annsSession, unknown), 404, ""},
		{"ann orders what is not there", wish(annsSession, unknown), 404, "ticketId"},
		{"ann orders what has been updated but not yet created", wish(annsSession, early.ID), 404, "ticketId"},
		{"ann orders what she holds", wish(annsSession, held.ID), 409, "ticketId"},
		{"bob orders what ann holds", wish(bobsSession, held.ID), 409, "ticketId"},
		{"an order is put", servicetest.Request{Line: "PUT /api/orders/" + string(mine.ID), Session: annsSession}, 405, ""},
		{"the list is deleted", servicetest.Request{Line: "DELETE /api/orders", Session: annsSession}, 405, ""},
		{"a path below an order", servicetest.Request{Line: "GET /api/orders/" + string(mine.ID) + "/ticket", Session: annsSession}, 404, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.MustSend(t, tt.request).CheckProblem(t, tt.status, tt.field)
		})
	}
	s.checkUnharmed(t, before)
}

func TestIfMatch(t *testing.T) {
	s := start(t)
	mine := s.place(t, ann, s.seeNew(t).ID)
	before := s.records(t)
	send := func(t *testing.T, user event.ID, ifMatch string) servicetest.Answer {
		t.Helper()
		r := cancel(servicetest.SignIn(t, user), mine.ID)
		r.IfMatch = ifMatch
		return s.MustSend(t, r)
	}
	for _, tt := range []struct {
		name    string
		user    event.ID
		ifMatch string
		status  int
	}{
		{"a version to come", ann, `"1"`, 412},
		{"a weak tag", ann, `W/"0"`, 412},
		{"no tag", ann, `0`, 400},
		{"two versions", ann, `"0","1"`, 400},
		{"somebody else", bob, `"1"`, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			send(t, tt.user, tt.ifMatch).CheckProblem(t, tt.status, "")
		})
	}
	if diff := cmp.Diff(before, s.records(t)); diff != "" {
		t.Fatalf("something was written (-before +after):\n%s", diff)
	}
	if answer := send(t, ann, `"0"`); answer.Status != 204 {
		t.Errorf("the version it has: %+v", answer)
	}
	// it stands at version 1 now, cancelled: also what would change nothing is checked
	send(t, ann, `"0"`).CheckProblem(t, 412, "")
	if answer := send(t, ann, `"1"`); answer.Status != 204 {
		t.Errorf("the version it has, again: %+v", answer)
	}
}

func TestTheListHasOnlyOnesOwn(t *testing.T) {
	const anns, bobs = 5, 3
	s := start(t)
	own := map[event.ID][]string{}
	for i := range anns + bobs {
		user := ann
		if i%2 == 1 && i/2 < bobs {
			user = bob
		}
		mine := s.place(t, user, s.seeNew(t).ID)
		if i == 2 { // a cancelled one stays in the list
			s.Expect(t, cancel(servicetest.SignIn(t, user), mine.ID), 204)
		}
		own[user] = append(own[user], s.Expect(t, show(servicetest.SignIn(t, user), mine.ID), 200).Body)
	}
	for _, tt := range []struct {
		user  event.ID
		query string
		pages []int
	}{
		{ann, "", []int{5}},
		{ann, "?limit=5", []int{5}},
		{ann, "?limit=2", []int{2, 2, 1}},
		{ann, "?limit=1", []int{1, 1, 1, 1, 1}},
		{bob, "?limit=2", []int{2, 1}},
		{seller, "?limit=2", []int{0}},
	} {
		t.Run(string(tt.user)+tt.query, func(t *testing.T) {
			pages := s.AllPages(t, "/api/orders"+tt.query, servicetest.SignIn(t, tt.user))
			var sizes []int
			for _, page := range pages {
				sizes = append(sizes, len(page))
			}
			if diff := cmp.Diff(tt.pages, sizes); diff != "" {
				t.Errorf("sizes of the pages (-want +got):\n%s", diff)
			}
			want := slices.Sorted(slices.Values(own[tt.user])) // the id comes first
			if diff := cmp.Diff(want, slices.Concat(pages...)); diff != "" {
				t.Errorf("orders (-want +got):\n%s", diff)
			}
		})
	}
}
