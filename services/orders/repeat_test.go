package orders_test

import (
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
)

// repeatable asks for an order under an Idempotency-Key.
func repeatable(session, key string, ticket event.ID) servicetest.Request {
	r := wish(session, ticket)
	r.IdempotencyKey = key
	return r
}

func TestARepeatedOrderGetsTheFirstAnswer(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	sold := s.seeNew(t)
	// Given an order that was made under a key
	first := s.Expect(t, repeatable(session, "k", sold.ID), 201)
	mine := servicetest.Decode[order](t, first)
	again := func() { t.Helper(); servicetest.CheckSame(t, first, s.MustSend(t, repeatable(session, "k", sold.ID))) }
	// then a repeat gets the same answer, though the ticket is reserved, by this very order,
	again()
	s.MustSend(t, wish(session, sold.ID)).CheckProblem(t, 409, "ticketId")
	// also when the tickets service says so, or has changed the ticket,
	sold.Version, sold.OrderID, sold.Price = 1, mine.ID, 9900
	s.see(t, sold)
	again()
	// when the order has been cancelled: it reserves nothing again,
	s.Expect(t, cancel(session, mine.ID), 204)
	again()
	// and when somebody else has the ticket.
	s.place(t, bob, sold.ID)
	again()

	if now := servicetest.Decode[order](t, s.Expect(t, show(session, mine.ID), 200)); now.Status != "cancelled" {
		t.Errorf("the order is %+v, want it cancelled", now)
	}
	records := s.records(t)
	if len(records) != 2 || strings.Contains(first.Body, "requestHash") {
		t.Errorf("%d orders, want ann's and bob's; the answer was %s", len(records), first.Body)
	}
	s.Stop()
	for subject, want := range map[event.Subject]int{event.SubjectOrderCreated: 2, event.SubjectOrderCancelled: 1} {
		events := servicetest.Published(t, s.bus, subject, want)
		if len(events) != want || strings.Contains(strings.Join(events, ""), "requestHash") {
			t.Errorf("%s: %q, want %d, without the hash", subject, events, want)
		}
	}
}

func TestAKeyIsForOneOrderOfOneBuyer(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	one, other, taken := s.seeNew(t), s.seeNew(t), s.seeNew(t)
	s.place(t, bob, taken.ID)
	first := servicetest.Decode[order](t, s.Expect(t, repeatable(session, "k", one.ID), 201))

	s.MustSend(t, repeatable(session, "k", other.ID)).CheckProblem(t, 422, "")
	s.MustSend(t, repeatable(session, "k", taken.ID)).CheckProblem(t, 422, "")
	s.MustSend(t, repeatable(session, "k", unknown)).CheckProblem(t, 422, "")
	s.MustSend(t, repeatable(servicetest.SignIn(t, bob), "k", one.ID)).CheckProblem(t, 409, "ticketId")
	s.MustSend(t, repeatable(session, "another", one.ID)).CheckProblem(t, 409, "ticketId")
	// A refusal uses up no key: the same request succeeds when it can.
	s.Expect(t, cancel(session, first.ID), 204)
	s.Expect(t, repeatable(session, "another", one.ID), 201)
	if records := s.records(t); len(records) != 3 {
		t.Errorf("%d orders, want 3", len(records))
	}
	if lines := s.log.Complaints(); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

func TestManyRepeatsAtOnceMakeOneOrder(t *testing.T) {
	const repeats = 32
	s := start(t)
	second, _ := s.join(t, "orders-2")
	members := []*servicetest.Server{s.Server, second}
	request := repeatable(servicetest.SignIn(t, ann), "k", s.seeNew(t).ID)
	var answers [repeats]servicetest.Answer
	var sending errgroup.Group
	for i := range repeats {
		sending.Go(func() (err error) {
			answers[i], err = members[i%2].Send(request)
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
	second.Stop()
	if events := servicetest.Published(t, s.bus, event.SubjectOrderCreated, 1); len(events) != 1 || len(s.records(t)) != 1 {
		t.Errorf("%d events and %d orders, want one of each", len(events), len(s.records(t)))
	}
}

// A store that answers "unavailable" may have the order. The client is told to try again, as a lookup would
// answer for an order that is perhaps not durable.
func TestAnOrderOfUnknownOutcomeIsNotLookedFor(t *testing.T) {
	s := start(t)
	request := repeatable(servicetest.SignIn(t, ann), "k", s.seeNew(t).ID)
	s.store.AnswerPuts(store.ErrUnavailable)
	answer := s.MustSend(t, request)
	answer.CheckProblem(t, 503, "")
	if answer.Header.Get("Retry-After") == "" || len(s.records(t)) != 1 {
		t.Errorf("answered %v, and %d orders are stored, want one", answer.Header, len(s.records(t)))
	}
	s.store.AnswerPuts(nil)
	servicetest.CheckSame(t, s.Expect(t, request, 201), s.MustSend(t, request))
	s.join(t, "orders-2") // which publishes what nobody has
	if events := servicetest.Published(t, s.bus, event.SubjectOrderCreated, 1); len(events) != 1 || len(s.records(t)) != 1 {
		t.Errorf("%d events and %d orders, want one of each", len(events), len(s.records(t)))
	}
}

// Without a key nobody repeats anything: an id that exists is somebody else's order.
func TestAConflictWithoutAKeyIsNoRepeat(t *testing.T) {
	s := start(t)
	free := s.seeNew(t)
	s.store.AnswerPuts(store.ErrConflict)
	s.MustSend(t, wish(servicetest.SignIn(t, ann), free.ID)).CheckProblem(t, 409, "")
}

// After an election MongoDB may refuse an order's repeat and yet not show the order for a moment. Nobody must then
// hear that somebody else has the ticket.
func TestARepeatWhoseOrderCannotBeReadYet(t *testing.T) {
	s := start(t)
	sold := s.seeNew(t)
	request := repeatable(servicetest.SignIn(t, ann), "k", sold.ID)
	first := s.Expect(t, request, 201)
	mine := servicetest.Decode[order](t, first)
	again := func(t *testing.T) {
		s.store.AnswerGet(mine.ID, store.ErrNotFound)
		answer := s.MustSend(t, request)
		answer.CheckProblem(t, 503, "")
		if answer.Header.Get("Retry-After") == "" {
			t.Errorf("answered %v, want when to come again", answer.Header)
		}
		s.store.AnswerGet(mine.ID, nil)
		servicetest.CheckSame(t, first, s.MustSend(t, request))
	}
	t.Run("and the store refuses it", again)
	sold.Version, sold.OrderID = 1, mine.ID
	s.see(t, sold)
	t.Run("and the ticket is held by it", again)
	// The order of somebody else is no reason to wait.
	s.store.AnswerGet(mine.ID, store.ErrNotFound)
	s.MustSend(t, repeatable(servicetest.SignIn(t, bob), "k", sold.ID)).CheckProblem(t, 409, "ticketId")
	if lines := s.log.Lines(slog.LevelError); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

// earlierID is the id of ann's order of earlierTicket under the key "k" in releases that kept the request's hash
// as a field of the order. earlierState is what they stored.
const (
	earlierTicket = event.ID("65a1b2c3d4e5f60718293a4b")
	earlierID     = event.ID("84659de6b367552a7928ddb6")
	earlierState  = `{"userId":"65a0000000000000000000aa","status":"created","expiresAt":"2026-01-02T03:14:05.678Z",` +
		`"ticket":{"id":"65a1b2c3d4e5f60718293a4b","title":"concert","price":20,"version":0},"requestHash":"b5539cc2e1c61ccd1e1be0ea4496fe5c"}`
)

func TestARepeatAfterAnUpgradeGetsTheFirstAnswer(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	other := s.seeNew(t)
	collection, err := s.store.Collection(t.Context(), ordersSpec())
	if err != nil {
		t.Fatal(err)
	}
	if err := collection.Put(t.Context(), store.Write{
		ID: string(earlierID), Key: "ticket/" + string(earlierTicket), Index: map[string]string{"user": string(ann)}, State: []byte(earlierState),
	}); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		answer := s.Expect(t, repeatable(session, "k", earlierTicket), 201)
		want := `{"id":"84659de6b367552a7928ddb6","version":0,"userId":"65a0000000000000000000aa","status":"created",` +
			`"expiresAt":"2026-01-02T03:14:05.678Z","ticket":{"id":"65a1b2c3d4e5f60718293a4b","title":"concert","price":20,"version":0}}`
		if answer.Body != want || answer.Header.Get("ETag") != `"0"` {
			t.Errorf("%s, the repeat = %s %s, want %s", when, answer.Header.Get("ETag"), answer.Body, want)
		}
		s.MustSend(t, repeatable(session, "k", other.ID)).CheckProblem(t, 422, "")
	}
	// A repeat gets the order, though the ticket has not been seen here, or is reserved by it,
	check("before the ticket is seen")
	ticket := s.see(t, event.Ticket{ID: earlierTicket, Title: "concert", Price: 2000, UserID: seller})
	check("when the ticket is seen")
	ticket.Version, ticket.OrderID = 1, earlierID
	s.see(t, ticket)
	check("when the tickets service has the order")
	// and though it has been cancelled.
	s.Expect(t, cancel(session, earlierID), 204)
	check("when it is cancelled")
	ticket.Version, ticket.OrderID = 2, ""
	s.see(t, ticket)
	check("when the ticket is free again")
	if records := s.records(t); len(records) != 1 {
		t.Errorf("%d orders, want 1", len(records))
	}
}
