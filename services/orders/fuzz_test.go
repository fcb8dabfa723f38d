package orders_test

import (
	"testing"

	"ticketing/pkg/service/servicetest"
)

// FuzzWish sends any body to the route that takes an order. Only one that names a ticket by its id gets an
// order, the next one for it a conflict; all others are refused as the client's fault. The log never complains.
func FuzzWish(f *testing.F) {
	s := start(f)
	routes, session := s.service.Handler(), servicetest.SignIn(f, ann)
	free := s.seeNew(f)
	for _, seed := range []string{
		`{"ticketId":"` + string(free.ID) + `"}`, `{"ticketId":"` + string(unknown) + `"}`, `{"ticketId":null}`,
		`{"ticketId":"","ticketId":"` + string(free.ID) + `"}`, `{"ticketId":{"$ne":""}}`, `{"TICKETID":1}`, `[]`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		defer s.log.Forget()
		request := servicetest.Request{Line: "POST /api/orders", Session: session, Media: servicetest.JSON, Body: body}
		answer := servicetest.Call(t, routes, request)
		if answer.Status == 201 {
			placed := servicetest.Decode[order](t, answer)
			if placed.Ticket.ID != free.ID || placed.UserID != ann {
				t.Errorf("order = %+v, want one of %s for %s", placed, ann, free.ID)
			}
			servicetest.Call(t, routes, request).CheckRefused(t, 409)
			if gone := servicetest.Call(t, routes, cancel(session, placed.ID)); gone.Status >= 300 {
				t.Fatalf("cancel = %d %s", gone.Status, gone.Body)
			}
		} else {
			answer.CheckRefused(t, 400, 404, 413)
		}
		if lines := s.log.Complaints(); len(lines) > 0 {
			t.Errorf("logged %q", lines)
		}
	})
}
