package tickets_test

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
	mine := s.offer(t)
	before := s.records(t)

	for _, tt := range []struct{ name, body, field string }{
		{"an empty object", `{}`, "title"},
		{"no title", `{"price":20}`, "title"},
		{"an empty title", `{"title":"","price":20}`, "title"},
		{"a blank title", `{"title":" \t\n","price":20}`, "title"},
		{"a title of 10,000 characters", `{"title":"` + strings.Repeat("x", 10_000) + `","price":20}`, "title"},
		{"a title that is null", `{"title":null,"price":20}`, "title"},
		{"a title that is a number", `{"title":7,"price":20}`, "title"},
		{"a title that is an object", `{"title":{"$ne":""},"price":20}`, "title"},
		{"a title that is an array", `{"title":["concert"],"price":20}`, "title"},
		{"a title of another case", `{"Title":"concert","price":20}`, "title"},
		{"no price", `{"title":"concert"}`, "price"},
		{"0", `{"title":"concert","price":0}`, "price"},
		{"0.00", `{"title":"concert","price":0.00}`, "price"},
		{"-0", `{"title":"concert","price":-0}`, "price"},
		{"-1", `{"title":"concert","price":-1}`, "price"},
		{"1e400", `{"title":"concert","price":1e400}`, "price"},
		{"1e-400", `{"title":"concert","price":1e-400}`, "price"},
		{"1e99999999999999999999", `{"title":"concert","price":1e99999999999999999999}`, "price"},
		{"10.005", `{"title":"concert","price":10.005}`, "price"},
		{"0.001", `{"title":"concert","price":0.001}`, "price"},
		{"100000000", `{"title":"concert","price":100000000}`, "price"},
		{"no price in a string", `{"title":"concert","price":"20 dollars"}`, "price"},
		{"an empty price", `{"title":"concert","price":""}`, "price"},
		{"a price that is null", `{"title":"concert","price":null}`, "price"},
		{"a price that is true", `{"title":"concert","price":true}`, "price"},
		{"a price that is an array", `{"title":"concert","price":[20]}`, "price"},
		{"NaN", `{"title":"concert","price":NaN}`, ""},
		{"Infinity", `{"title":"concert","price":Infinity}`, ""},
		{"a hexadecimal price", `{"title":"concert","price":0x14}`, ""},
		{"a price with a leading zero", `{"title":"concert","price":020}`, ""},
		{"a price with a plus", `{"title":"concert","price":+20}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.MustSend(t, post(session, tt.body)).CheckProblem(t, 400, tt.field)
			s.MustSend(t, put(mine.ID, session, tt.body)).CheckProblem(t, 400, tt.field)
		})
	}
	for _, tt := range servicetest.BadBodies(draftOf(1)) {
		t.Run(tt.Name, func(t *testing.T) {
			for _, line := range []string{"POST /api/tickets", "PUT /api/tickets/" + string(mine.ID)} {
				r := servicetest.Request{Line: line, Session: session, Media: tt.Media, Body: tt.Body}
				s.MustSend(t, r).CheckProblem(t, tt.Status, "")
			}
		})
	}
	for _, path := range servicetest.BadPaths("/api/tickets") {
		t.Run(path, func(t *testing.T) {
			s.MustSend(t, get(path)).CheckProblem(t, 404, "")
			s.MustSend(t, servicetest.Request{Line: "POST " + path, Session: session, Media: servicetest.JSON, Body: concert}).CheckProblem(t, 404, "")
		})
	}
	for _, id := range servicetest.BadIDs() {
		t.Run("id "+id, func(t *testing.T) {
			s.MustSend(t, get("/api/tickets/"+id)).CheckProblem(t, 400, "id")
			s.MustSend(t, servicetest.Request{Line: "PUT /api/tickets/" + id, Session: session, Media: servicetest.JSON, Body: concert}).CheckProblem(t, 400, "id")
		})
	}
	for _, tt := range servicetest.BadQueries() {
		t.Run("query "+tt.Query, func(t *testing.T) {
			s.MustSend(t, get("/api/tickets?"+tt.Query)).CheckProblem(t, 400, tt.Field)
		})
	}
	s.checkUnharmed(t, before)
}

func TestBadSessions(t *testing.T) {
	s := start(t)
	mine := s.offer(t)
	before := s.records(t)
	for _, tt := range servicetest.BadSessions(t, ann) {
		t.Run(tt.Name, func(t *testing.T) {
			s.MustSend(t, post(tt.Session, draftOf(1))).CheckProblem(t, 401, "")
			s.MustSend(t, put(mine.ID, tt.Session, draftOf(1))).CheckProblem(t, 401, "")
			r := get("/api/tickets/" + string(mine.ID))
			r.Session = tt.Session
			s.Expect(t, r, 200) // what everybody may read is not refused
		})
	}
	s.checkUnharmed(t, before)
}

// checkUnharmed finds that the store is as before, that the log has no complaint, and that good requests
// still get through.
func (s *system) checkUnharmed(t *testing.T, before []store.Record) {
	t.Helper()
	if diff := cmp.Diff(before, s.records(t)); diff != "" {
		t.Errorf("something was written (-before +after):\n%s", diff)
	}
	if lines := s.log.Complaints(); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
	s.offer(t)
}
