package orders_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/app"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/service"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store/bolt/bolttest"
	"ticketing/services/orders"
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
	if h := s.Health(t); h.Ready || !h.Lacks("store", "on cue") {
		t.Errorf("health without the store is %+v, want unready for it", h)
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
	servicetest.Eventually(t, "it says that the bus is away", func() bool { return s.Health(t).Lacks("bus", "") })
	if h := s.Health(t); !h.Ready || !h.Degraded {
		t.Errorf("health without the bus is %+v, want degraded and ready", h)
	}
	if lines := s.log.Lines(slog.LevelError); len(lines) > 0 {
		t.Errorf("logged %q", lines)
	}
}

// A member that has never been in the group may know nothing: it must not be sent requests.
func TestAMemberIsNotReadyBeforeItHasJoined(t *testing.T) {
	broker := stantest.Start(t)
	conn := stantest.Connect(t, broker, "orders-1")
	broker.Shutdown()
	member, err := service.Open(t.Context(), service.Deps{
		Name: orders.Name, Store: bolttest.Open(t), Bus: conn, Sessions: servicetest.Sessions(t),
		Log: slog.New(slog.DiscardHandler), Now: servicetest.Now,
	}, orders.New, orders.Config{Window: window})
	if err != nil {
		t.Fatal(err)
	}
	s := servicetest.Serve(t, member)
	servicetest.Eventually(t, "it waits for the bus", func() bool { return s.Health(t).Lacks("tickets", "bus") })
	if s.Health(t).Ready {
		t.Errorf("health is %+v, want unready", s.Health(t))
	}
}

func TestTheWindow(t *testing.T) {
	t.Run("has a default", func(t *testing.T) {
		cfg, err := app.LoadConfig[orders.Config]()
		if err != nil || cfg.Window != orders.DefaultWindow {
			t.Errorf("LoadConfig = %+v, %v, want a window of %v", cfg, err, orders.DefaultWindow)
		}
	})
	for _, window := range []time.Duration{0, -time.Minute} {
		t.Run(fmt.Sprint("is not ", window), func(t *testing.T) {
			deps := service.Deps{Name: orders.Name, Log: slog.New(slog.DiscardHandler)}
			_, err := service.Open(t.Context(), deps, orders.New, orders.Config{Window: window})
			if want := fmt.Sprintf("ORDER_WINDOW: %v is not positive", window); err == nil || err.Error() != want {
				t.Errorf("Open = %v, want %s", err, want)
			}
		})
	}
}
