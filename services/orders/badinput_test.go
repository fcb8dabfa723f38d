package orders_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
)

// TestBadInput sends what a client should not. Each gets its status and a problem document that names the
// field; nothing is written, and the log does not complain.
func TestBadInput(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	free := s.seeNew(t)
	s.place(t, bob, s.seeNew(t).ID)
	before := s.records(t)
	send := func(line, media, body string) servicetest.Request {
		return servicetest.Request{Line: line, Session: session, Media: media, Body: body}
	}

	bodies := map[string]string{
		"no ticket":                  `{}`,
		"a ticket that is null":      `{"ticketId":null}`,
		"a ticket that is a number":  `{"ticketId":7}`,
		"a ticket that is an object": `{"ticketId":{"$gt":""}}`,
		"a ticket that is an array":  `{"ticketId":["` + string(free.ID) + `"]}`,
		"a ticket of another case":   `{"ticketID":"` + string(free.ID) + `"}`,
		"an upper-case id":           `{"ticketId":"` + strings.ToUpper(string(free.ID)) + `"}`,
		"a blank around the id":      `{"ticketId":" ` + string(free.ID) + `"}`,
		"an empty id":                `{"ticketId":""}`,
		"an id of 10,000 characters": `{"ticketId":"` + strings.Repeat("a", 10_000) + `"}`,
		"a path":                     `{"ticketId":"../../../../../etc/passwd"}`,
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			s.MustSend(t, send("POST /api/orders", servicetest.JSON, body)).CheckProblem(t, 400, "ticketId")
		})
	}
	for _, tt := range servicetest.BadBodies(`{"ticketId":"` + string(free.ID) + `"}`) {
		t.Run(tt.Name, func(t *testing.T) {
			s.MustSend(t, send("POST /api/orders", tt.Media, tt.Body)).CheckProblem(t, tt.Status, "")
		})
	}
	for _, path := range servicetest.BadPaths("/api/orders") {
		t.Run(path, func(t *testing.T) {
			s.MustSend(t, send("GET "+path, "", "")).CheckProblem(t, 404, "")
			s.MustSend(t, send("POST "+path, servicetest.JSON, `{"ticketId":"`+string(free.ID)+`"}`)).CheckProblem(t, 404, "")
		})
	}
	for _, id := range servicetest.BadIDs() {
		t.Run("id "+id, func(t *testing.T) {
			s.MustSend(t, send("GET /api/orders/"+id, "", "")).CheckProblem(t, 400, "id")
			s.MustSend(t, send("DELETE /api/orders/"+id, "", "")).CheckProblem(t, 400, "id")
		})
	}
	for _, tt := range servicetest.BadQueries() {
		t.Run("query "+tt.Query, func(t *testing.T) {
			s.MustSend(t, send("GET /api/orders?"+tt.Query, "", "")).CheckProblem(t, 400, tt.Field)
		})
	}
	s.checkUnharmed(t, before)
}

func TestBadSessions(t *testing.T) {
	s := start(t)
	free := s.seeNew(t)
	mine := s.place(t, ann, s.seeNew(t).ID)
	before := s.records(t)
	for _, tt := range servicetest.BadSessions(t, ann) {
		t.Run(tt.Name, func(t *testing.T) {
			for _, r := range []servicetest.Request{
				wish(tt.Session, free.ID), show(tt.Session, mine.ID), cancel(tt.Session, mine.ID),
				{Line: "GET /api/orders", Session: tt.Session},
			} {
				s.MustSend(t, r).CheckProblem(t, 401, "")
			}
		})
	}
	s.checkUnharmed(t, before)
}

// checkUnharmed finds that the orders are as before, that the log has no complaint, and that good requests
// still get through.
func (s *system) checkUnharmed(t *testing.T, before []store.Record) {
	t.Helper()
	if diff := cmp.Diff(before, s.records(t)); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}
	if lines := s.log.Complaints(); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
	s.place(t, ann, s.seeNew(t).ID)
}
