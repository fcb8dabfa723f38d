package tickets_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
)

// FuzzDraft sends any body to the routes that take a draft. Each either refuses it as the client's fault and
// leaves everything as it was, or answers with a ticket that is then read the same, and whose event
// every other service can decode. The log never complains.
func FuzzDraft(f *testing.F) {
	for _, seed := range []string{
		concert, draftOf(7), `{"title":"x","price":0.01,"userId":"65a0000000000000000000bb","version":9}`,
		`{"title":" ","price":1}`, `{"title":"\ud800","price":1}`, `{"title":"x","price":1e2}`, `{"title":"x","price":"1"}`,
		`{"title":"x","title":"y","price":99999999.99}`, `{"title":null,"price":-0}`, `{"Title":"x","price":0.001}`, `[]`, ``,
	} {
		f.Add(seed)
	}
	s := start(f)
	routes, session := s.service.Handler(), servicetest.SignIn(f, ann)
	mine := s.offer(f)
	f.Fuzz(func(t *testing.T, body string) {
		defer s.log.Forget()
		before := servicetest.Decode[ticket](t, servicetest.Call(t, routes, get("/api/tickets/"+string(mine.ID))))
		made := servicetest.Call(t, routes, post(session, body))
		changed := servicetest.Call(t, routes, put(mine.ID, session, body))
		if made.Status == 201 != (changed.Status == 200) {
			t.Fatalf("POST = %d %s, but PUT = %d %s", made.Status, made.Body, changed.Status, changed.Body)
		}
		after := servicetest.Call(t, routes, get("/api/tickets/"+string(mine.ID)))
		if made.Status == 201 {
			checkOffer(t, servicetest.Decode[ticket](t, made), 0)
			got := servicetest.Decode[ticket](t, changed)
			checkOffer(t, got, got.Version)
			if after.Body != changed.Body || got.Version > before.Version+1 {
				t.Errorf("version %d was changed to %s and reads as %s", before.Version, changed.Body, after.Body)
			}
		} else {
			made.CheckRefused(t, 400, 413)
			changed.CheckRefused(t, 400, 413)
			if diff := cmp.Diff(before, servicetest.Decode[ticket](t, after)); diff != "" {
				t.Errorf("a refused change (-before +after):\n%s", diff)
			}
		}
		if lines := s.log.Complaints(); len(lines) > 0 {
			t.Errorf("logged %q", lines)
		}
	})
}

// checkOffer finds that a ticket is ann's and makes an event that is decoded to the same.
func checkOffer(t *testing.T, got ticket, version event.Version) {
	t.Helper()
	if got.UserID != ann || got.Version != version {
		t.Errorf("ticket = %+v, want version %d of %s", got, version, ann)
	}
	said := event.Ticket{ID: got.ID, Version: got.Version, Title: got.Title, Price: got.Price, UserID: got.UserID}
	data, err := event.Encode(said)
	if err != nil {
		t.Fatalf("its event: %v", err)
	}
	heard, err := event.Decode[event.Ticket](said.Subject(), data)
	if diff := cmp.Diff(said, heard); err != nil || diff != "" {
		t.Errorf("its event %s is decoded with %v to (-said +heard):\n%s", data, err, diff)
	}
}
