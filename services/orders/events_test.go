package orders_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/store/bolt/bolttest"
	"ticketing/services/orders"
	"ticketing/services/servicetest"
)

func TestEventsAreTheContractByteForByte(t *testing.T) {
	s := start(t)
	sold := s.seeNew(t)
	session := servicetest.SignIn(t, ann)
	first := s.place(t, ann, sold.ID)
	s.MustSend(t, wish(session, sold.ID)).CheckProblem(t, 409, "ticketId") // publishes nothing
	for range 2 {
		s.Expect(t, cancel(session, first.ID), 204) // the second time publishes nothing
	}
	second := s.place(t, bob, sold.ID)
	s.Stop()

	created := func(id, user event.ID) string {
		return fmt.Sprintf(`{"id":"%s","version":0,"status":"created","userId":"%s","expiresAt":"2026-01-02T03:14:05.678Z",`+
			`"ticket":{"id":"%s","price":20.5}}`, id, user, sold.ID)
	}
	for subject, want := range map[event.Subject][]string{
		event.SubjectOrderCreated:   {created(first.ID, ann), created(second.ID, bob)},
		event.SubjectOrderCancelled: {fmt.Sprintf(`{"id":"%s","version":1,"ticket":{"id":"%s"}}`, first.ID, sold.ID)},
	} {
		got := servicetest.Published(t, s.bus, subject, len(want))
		if diff := cmp.Diff(want, got, cmp.Transformer("set", setOf)); diff != "" { // no order between two orders
			t.Errorf("%s (-want +got):\n%s", subject, diff)
		}
	}
	c, err := s.store.Collection(t.Context(), ordersSpec())
	if err != nil {
		t.Fatal(err)
	}
	if pending, err := c.Pending(t.Context(), "", 1); err != nil || len(pending) > 0 {
		t.Errorf("still in the outbox: %v, %v", pending, err)
	}
}

func setOf(events []string) map[string]int {
	set := map[string]int{}
	for _, data := range events {
		set[data]++
	}
	return set
}

func TestTheStoreIsAway(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	free := s.seeNew(t)
	mine := s.place(t, ann, s.seeNew(t).ID)
	s.store.SetAway(true)
	for _, r := range []servicetest.Request{
		wish(session, free.ID), show(session, mine.ID), cancel(session, mine.ID), {Line: "GET /api/orders", Session: session},
	} {
		answer := s.MustSend(t, r)
		answer.CheckProblem(t, 503, "")
		if answer.Header.Get("Retry-After") == "" || strings.Contains(answer.Body, "cue") {
			t.Errorf("%s = %v %s", r.Line, answer.Header, answer.Body)
		}
	}
	if missing := s.Unready(t.Context()); missing == nil || !strings.Contains(missing.Error(), "store: ") {
		t.Errorf("lacks %v, want the store", missing)
	}
	// what is published meanwhile waits on the bus
	late := event.Ticket{ID: event.NewID(servicetest.Now()), Title: "late", Price: 1, UserID: seller}
	s.tell(t, late)

	// When it is back, then it has what it had, and all goes on
	s.store.SetAway(false)
	s.see(t, event.Ticket{ID: late.ID, Version: 1, Title: "later", Price: 2, UserID: seller})
	s.AwaitReady(t)
	kept := servicetest.Decode[order](t, s.Expect(t, show(session, mine.ID), 200))
	if diff := cmp.Diff(mine, kept); diff != "" {
		t.Errorf("the order (-before +after):\n%s", diff)
	}
	s.place(t, ann, free.ID)
	s.place(t, ann, late.ID)
	if lines := s.log.Lines(slog.LevelError); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

// Without the bus a member knows no new tickets: it says so, and goes on with what it has.
func TestTheBusIsAway(t *testing.T) {
	s := start(t)
	session := servicetest.SignIn(t, ann)
	sold := s.seeNew(t)
	s.broker.Shutdown()
	mine := s.place(t, ann, sold.ID)
	s.Expect(t, cancel(session, mine.ID), 204)
	if lines := s.log.Lines(slog.LevelError); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

func TestAMemberIsNotReadyBeforeItHasJoined(t *testing.T) {
	broker := stantest.Start(t)
	service, err := orders.New(context.Background(), orders.Deps{
		Store: bolttest.Open(t), Bus: stantest.Connect(t, broker, "orders-1"), Sessions: servicetest.Sessions(t),
		Log: slog.New(slog.DiscardHandler), Now: servicetest.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	checks := map[string]error{}
	for _, c := range service.Checks() {
		checks[c.Name] = c.Check(t.Context())
	}
	if err := checks["store"]; err != nil {
		t.Errorf("store: %v", err)
	}
	if err := checks["tickets"]; err == nil || !strings.Contains(err.Error(), "not started") {
		t.Errorf("tickets: %v, want that it has not started", err)
	}
	servicetest.Serve(t, service).AwaitReady(t)
}

// The window is told in DefaultWindow where nothing is said.
func TestTheDefaultWindow(t *testing.T) {
	s := start(t)
	service, err := orders.New(context.Background(), orders.Deps{
		Store: s.store, Bus: stantest.Connect(t, s.broker, "orders-2"), Sessions: servicetest.Sessions(t),
		Log: s.log.Logger(), Now: servicetest.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	second := servicetest.Serve(t, service)
	answer := second.Expect(t, wish(servicetest.SignIn(t, ann), s.seeNew(t).ID), 201)
	want := event.At(servicetest.Now().Add(orders.DefaultWindow))
	if got := servicetest.Decode[order](t, answer).ExpiresAt; got != want {
		t.Errorf("expires at %v, want %v", got, want)
	}
}
