package inspect_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/infra/chaos/check"
	"ticketing/infra/chaos/diary"
	"ticketing/infra/chaos/inspect"
	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica"
	"ticketing/pkg/service"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
	"ticketing/services/orders"
	"ticketing/services/tickets"
)

const (
	seller = event.ID("65a0000000000000000000aa")
	buyer  = event.ID("65a0000000000000000000bb")
)

// system is the services whose stores are read, as they run in a chaos run, around one broker.
type system struct {
	broker                       *stanserver.Server
	bus                          bus.Conn // somebody else's
	ticketsDB, ordersDB, diaryDB store.Database
	ticketsServer, ordersServer  *servicetest.Server
	ordersService                *service.Service
}

func start(t *testing.T) *system {
	t.Helper()
	s := &system{broker: stantest.Start(t), ticketsDB: bolttest.Open(t), ordersDB: bolttest.Open(t), diaryDB: bolttest.Open(t)}
	s.bus = stantest.Connect(t, s.broker, "somebody")
	ticketsService := open(t, s.broker, tickets.Name, s.ticketsDB, tickets.New, tickets.Config{})
	s.ordersService = open(t, s.broker, orders.Name, s.ordersDB, orders.New, orders.Config{Window: orders.DefaultWindow})
	diaryService := open(t, s.broker, diary.Name, s.diaryDB, diary.New, diary.Config{})
	s.ticketsServer, s.ordersServer = servicetest.Serve(t, ticketsService), servicetest.Serve(t, s.ordersService)
	for _, server := range []*servicetest.Server{s.ticketsServer, s.ordersServer, servicetest.Serve(t, diaryService)} {
		server.AwaitReady(t)
	}
	return s
}

// open opens a service on a broker.
func open[C any](t *testing.T, broker *stanserver.Server, name string, db store.Database, build service.Build[C], cfg C) *service.Service {
	t.Helper()
	s, err := service.Open(t.Context(), service.Deps{
		Name: name, Store: db, Bus: stantest.Connect(t, broker, name), Sessions: servicetest.Sessions(t),
		Log: slog.New(slog.DiscardHandler), Now: servicetest.Now,
	}, build, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// entity is what the API tells of a ticket or an order.
type entity struct {
	ID      event.ID
	Version event.Version
}

// send sends a request of a user's that must succeed.
func send(t *testing.T, server *servicetest.Server, user event.ID, status int, line, body string) entity {
	t.Helper()
	request := servicetest.Request{Line: line, Session: servicetest.SignIn(t, user), Body: body}
	if body != "" {
		request.Media = servicetest.JSON
	}
	answer := server.Expect(t, request, status)
	if answer.Body == "" {
		return entity{}
	}
	return servicetest.Decode[entity](t, answer)
}

func (s *system) edit(t *testing.T, ticket event.ID, title string) {
	t.Helper()
	send(t, s.ticketsServer, seller, http.StatusOK, "PUT /api/tickets/"+string(ticket), fmt.Sprintf(`{"title":%q,"price":20}`, title))
}

// rebuild makes the next generation of the tickets that orders has.
func (s *system) rebuild(t *testing.T) {
	t.Helper()
	admin := s.ordersService.AdminHandler()
	const path = "/replicas/ticket/rebuild"
	if answer := servicetest.Call(t, admin, servicetest.Request{Line: "POST " + path}); answer.Status != http.StatusAccepted {
		t.Fatalf("rebuild: %d %s", answer.Status, answer.Body)
	}
	var state replica.Rebuild
	servicetest.Eventually(t, "the rebuild has ended", func() bool {
		state = servicetest.Decode[replica.Rebuild](t, servicetest.Call(t, admin, servicetest.Request{Line: "GET " + path}))
		return !state.Running
	})
	if state.Error != "" || state.Generation != 2 {
		t.Fatalf("the rebuild ended with %+v", state)
	}
}

// evidence is what is read of the three.
func (s *system) evidence(t *testing.T) (e check.Evidence) {
	t.Helper()
	for _, book := range []struct {
		read func(context.Context, store.Database) (check.Books, error)
		db   store.Database
		into *check.Books
	}{{inspect.Tickets, s.ticketsDB, &e.Tickets}, {inspect.Orders, s.ordersDB, &e.Orders}, {inspect.Diary, s.diaryDB, &e.Diary}} {
		books, err := book.read(t.Context(), book.db)
		if err != nil {
			t.Fatal(err)
		}
		*book.into = books
	}
	return e
}

// settled waits until the checker finds nothing in what is read.
func (s *system) settled(t *testing.T, injected ...check.Parked) check.Evidence {
	t.Helper()
	var e check.Evidence
	servicetest.Eventually(t, "replicas are equal to their sources, as they are read", func() bool {
		e = s.evidence(t)
		e.Injected = injected
		return len(check.Settled(e)) == 0
	})
	return e
}

func TestWhatTheServicesStoreIsWhatIsRead(t *testing.T) {
	s := start(t)
	// given a ticket that was edited and ordered, and one whose order was given up
	held := send(t, s.ticketsServer, seller, http.StatusCreated, "POST /api/tickets", `{"title":"concert","price":20}`).ID
	free := send(t, s.ticketsServer, seller, http.StatusCreated, "POST /api/tickets", `{"title":"opera","price":20}`).ID
	s.edit(t, held, "a concert")
	s.settled(t)
	order := send(t, s.ordersServer, buyer, http.StatusCreated, "POST /api/orders", fmt.Sprintf(`{"ticketId":%q}`, held)).ID
	given := send(t, s.ordersServer, buyer, http.StatusCreated, "POST /api/orders", fmt.Sprintf(`{"ticketId":%q}`, free)).ID
	send(t, s.ordersServer, buyer, http.StatusNoContent, "DELETE /api/orders/"+string(given), "")
	// and poison
	poison := check.Parked{Channel: string(event.SubjectTicketUpdated), Data: "poison", Reason: string(parking.Poison)}
	if err := s.bus.Publish(t.Context(), poison.Channel, []byte(poison.Data)); err != nil {
		t.Fatal(err)
	}
	e := s.settled(t, poison)
	// then the live order alone holds its ticket
	expires := e.Orders.Own[string(order)].ExpiresAt
	want := map[string]check.Entity{
		string(order): {Holds: string(held), Ticket: string(held), Cents: 2000, ExpiresAt: expires},
		string(given): {Version: 1, Ticket: string(free), Cents: 2000, ExpiresAt: expires}, // the clock stands still
	}
	if expires.IsZero() {
		t.Error("the order does not expire")
	}
	if diff := cmp.Diff(want, e.Orders.Own); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	// and a replica is read with its content, and with its log where it has one
	content := fmt.Sprintf(`{"price":20,"title":"a concert","userId":%q}`, seller)
	if diff := cmp.Diff(check.Entity{Version: 2, Content: content, Holder: string(order)}, e.Orders.Replicas[string(held)]); diff != "" {
		t.Errorf("orders' replica (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(check.Entity{Version: 2, Content: content, Holder: string(order), Log: []int64{0, 1, 2}}, e.Diary.Replicas[string(held)]); diff != "" {
		t.Errorf("diary's replica (-want +got):\n%s", diff)
	}
}

func TestThePresentGenerationIsRead(t *testing.T) {
	s := start(t)
	// given a second generation of replicas, which alone has what came since
	ticket := send(t, s.ticketsServer, seller, http.StatusCreated, "POST /api/tickets", `{"title":"concert","price":20}`).ID
	s.settled(t)
	s.rebuild(t)
	s.edit(t, ticket, "since the rebuild")
	// then that is what is read
	s.settled(t)
	first, err := s.ordersDB.Collection(t.Context(), store.Spec{Name: "ticket-replica-1"})
	if err != nil {
		t.Fatal(err)
	}
	if record, err := first.Get(t.Context(), string(ticket)); err != nil || record.Version != 0 {
		t.Errorf("the first generation stands at %d, %v; want 0, which it was left at", record.Version, err)
	}
}

func TestWhatIsOnItsWayIsRead(t *testing.T) {
	s := start(t)
	// given an event behind one that is missing
	early := event.Ticket{ID: "65a1b2c3d4e5f60718293a4b", Version: 3, Title: "concert", Price: 2000, UserID: seller}
	data, err := event.Encode(early)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.bus.Publish(t.Context(), string(early.Subject()), data); err != nil {
		t.Fatal(err)
	}
	// then the replica is read as a stub that keeps it
	stub := check.Entity{Version: -1, Early: 1}
	servicetest.Eventually(t, "both keep it", func() bool {
		e := s.evidence(t)
		return cmp.Equal(e.Orders.Replicas[string(early.ID)], stub) && cmp.Equal(e.Diary.Replicas[string(early.ID)], stub)
	})
	// and when the broker is away, then what waits for it is counted
	s.broker.Shutdown()
	send(t, s.ticketsServer, seller, http.StatusCreated, "POST /api/tickets", `{"title":"concert","price":20}`)
	if e := s.evidence(t); e.Tickets.Waiting != 1 || e.Orders.Waiting != 0 {
		t.Errorf("waiting: %d in tickets, %d in orders; want 1 and 0", e.Tickets.Waiting, e.Orders.Waiting)
	}
}

func TestAnEmptyStoreIsRead(t *testing.T) {
	for name, read := range map[string]func(context.Context, store.Database) (check.Books, error){
		"tickets": inspect.Tickets, "orders": inspect.Orders, "diary": inspect.Diary,
		"payments": inspect.Payments, "expiration": inspect.Expiration,
	} {
		books, err := read(t.Context(), bolttest.Open(t))
		want := check.Books{Own: map[string]check.Entity{}, Replicas: map[string]check.Entity{}}
		if diff := cmp.Diff(want, books); diff != "" || err != nil {
			t.Errorf("%s (-want +got):\n%s%v", name, diff, err)
		}
	}
}
