package tickets_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
)

// repeatable offers a ticket under an Idempotency-Key.
func repeatable(session, key, draft string) servicetest.Request {
	r := post(session, draft)
	r.IdempotencyKey = key
	return r
}

func TestARepeatedCreateGetsTheFirstAnswer(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	// Given a ticket that was created under a key
	first := s.Expect(t, repeatable(session, "k-1", concert), 201)
	made := servicetest.Decode[ticket](t, first)
	// when the request is repeated, with its JSON written in another way, then it gets the same answer,
	servicetest.CheckSame(t, first, s.MustSend(t, repeatable(session, "k-1", `{ "price": 20.00, "title": "concert" }`)))
	// also after the ticket has changed,
	s.Expect(t, put(made.ID, session, `{"title":"opera","price":5}`), 200)
	servicetest.CheckSame(t, first, s.MustSend(t, repeatable(session, "k-1", concert)))
	// and the change stays.
	if now := servicetest.Decode[ticket](t, s.Expect(t, get("/api/tickets/"+string(made.ID)), 200)); now.Title != "opera" || now.Version != 1 {
		t.Errorf("the ticket is %+v", now)
	}
	// Then neither store nor bus has anything twice, and nobody is told what tells requests apart.
	records := s.records(t)
	if len(records) != 1 {
		t.Errorf("stored: %+v, want one ticket", records)
	}
	s.Stop()
	for subject, want := range map[event.Subject]int{event.SubjectTicketCreated: 1, event.SubjectTicketUpdated: 1} {
		events := servicetest.Published(t, s.bus, subject, want)
		if len(events) != want || strings.Contains(fmt.Sprint(events), "requestHash") {
			t.Errorf("%s: %q, want %d, without the hash", subject, events, want)
		}
	}
	if strings.Contains(first.Body, "requestHash") {
		t.Errorf("answered %s", first.Body)
	}
}

func TestAKeyIsForOneRequestOfOneUser(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	first := servicetest.Decode[ticket](t, s.Expect(t, repeatable(session, "k", concert), 201))

	for _, other := range []string{draftOf(1), `{"title":"concert","price":21}`, `{"title":"opera","price":20}`} {
		s.MustSend(t, repeatable(session, "k", other)).CheckProblem(t, 422, "")
	}
	for name, other := range map[string]servicetest.Request{
		"another key":  repeatable(session, "K", concert),
		"another user": repeatable(servicetest.SignIn(t, bob), "k", concert),
		"no key":       post(session, concert),
	} {
		if made := servicetest.Decode[ticket](t, s.Expect(t, other, 201)); made.ID == first.ID {
			t.Errorf("%s got the same ticket", name)
		}
	}
	s.MustSend(t, repeatable(session, strings.Repeat("k", 256), concert)).CheckProblem(t, 400, "")
	s.MustSend(t, repeatable("", "k", concert)).CheckProblem(t, 401, "")
	if records := s.records(t); len(records) != 4 {
		t.Errorf("%d tickets, want 4", len(records))
	}
	if lines := s.log.Complaints(); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

func TestManyRepeatsAtOnceMakeOneTicket(t *testing.T) {
	const repeats = 32
	s := start(t)
	request := repeatable(servicetest.SignIn(t, ann), "k", concert)
	var answers [repeats]servicetest.Answer
	var sending errgroup.Group
	for i := range repeats {
		sending.Go(func() (err error) {
			answers[i], err = s.Send(request)
			return err
		})
	}
	if err := sending.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, answer := range answers {
		if answer.Status != 201 {
			t.Fatalf("answered %d %s", answer.Status, answer.Body)
		}
		servicetest.CheckSame(t, answers[0], answer)
	}
	s.Stop()
	if events := servicetest.Published(t, s.bus, event.SubjectTicketCreated, 1); len(events) != 1 || len(s.records(t)) != 1 {
		t.Errorf("%d events and %d tickets, want one of each", len(events), len(s.records(t)))
	}
}

func TestARepeatAfterTheStoreWasAwayMakesTheTicket(t *testing.T) {
	s := start(t)
	request := repeatable(servicetest.SignIn(t, ann), "k", concert)
	s.store.SetAway(true)
	s.MustSend(t, request).CheckProblem(t, 503, "")
	s.store.SetAway(false)
	servicetest.CheckSame(t, s.Expect(t, request, 201), s.MustSend(t, request))
}

// Without a key nobody repeats anything: an id that exists is somebody else's ticket.
func TestAConflictWithoutAKeyIsNoRepeat(t *testing.T) {
	s := start(t)
	s.store.AnswerPuts(store.ErrConflict)
	s.MustSend(t, post(servicetest.SignIn(t, ann), concert)).CheckProblem(t, 409, "")
}

// After an election MongoDB may refuse a ticket's repeat and yet not show the ticket for a moment.
func TestARepeatWhoseTicketCannotBeReadYet(t *testing.T) {
	s := start(t)
	request := repeatable(servicetest.SignIn(t, ann), "k", concert)
	first := s.Expect(t, request, 201)
	made := servicetest.Decode[ticket](t, first)
	s.store.AnswerGet(made.ID, store.ErrNotFound)
	answer := s.MustSend(t, request)
	answer.CheckProblem(t, 503, "")
	if answer.Header.Get("Retry-After") == "" {
		t.Errorf("answered %v, want when to come again", answer.Header)
	}
	s.store.AnswerGet(made.ID, nil)
	servicetest.CheckSame(t, first, s.MustSend(t, request))
}

// earlierID is the id of ann's ticket under the key "k" in releases that kept the request's hash as a field of the
// ticket. earlierState is what they stored after ann had made an opera of her concert.
const (
	earlierID    = event.ID("2f84e12b2781c06502b35915")
	earlierState = `{"title":"opera","price":5,"userId":"65a0000000000000000000aa","requestHash":"1e8cf054150882d53ee915ded19a9ee5"}`
)

func TestARepeatAfterAnUpgradeGetsTheFirstAnswer(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	collection, err := s.store.Collection(t.Context(), store.Spec{Name: "tickets"})
	if err != nil {
		t.Fatal(err)
	}
	if err := collection.Put(t.Context(), store.Write{ID: string(earlierID), Version: 1, State: []byte(earlierState)}); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		answer := s.Expect(t, repeatable(session, "k", concert), 201)
		want := `{"id":"2f84e12b2781c06502b35915","title":"concert","price":20,"userId":"65a0000000000000000000aa","version":0,"status":"free"}`
		if answer.Body != want || answer.Header.Get("ETag") != `"0"` {
			t.Errorf("%s, the repeat = %s %s, want %s", when, answer.Header.Get("ETag"), answer.Body, want)
		}
		s.MustSend(t, repeatable(session, "k", draftOf(1))).CheckProblem(t, 422, "")
	}
	check("as it was stored")
	s.Expect(t, put(earlierID, session, `{"title":"ballet","price":5}`), 200)
	check("after a change")
	if records := s.records(t); len(records) != 1 {
		t.Errorf("%d tickets, want 1", len(records))
	}
}
