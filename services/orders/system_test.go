package orders_test

import (
	"context"
	"testing"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/service"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
	"ticketing/services/orders"
)

const (
	ann     = event.ID("65a0000000000000000000aa")
	bob     = event.ID("65a0000000000000000000bb")
	seller  = event.ID("65a0000000000000000000cc")
	unknown = event.ID("65a1b2c3d4e5f60718293aff")
)

// window is how long an order may stay unpaid here.
const window = 10 * time.Minute

// system is a member of the orders service; others may join it on its store and its broker. bus is
// somebody else's connection, that of tickets.
type system struct {
	*servicetest.Server
	service *service.Service
	store   *servicetest.Store
	broker  *stanserver.Server
	bus     bus.Conn
	log     *servicetest.Log
}

func start(t testing.TB) *system {
	t.Helper()
	s := &system{
		store:  &servicetest.Store{Database: bolttest.Open(t)},
		broker: stantest.Start(t),
		log:    &servicetest.Log{},
	}
	s.bus = stantest.Connect(t, s.broker, "tickets")
	s.Server, s.service = s.join(t, "orders-1")
	s.AwaitReady(t)
	return s
}

// join runs one more member.
func (s *system) join(t testing.TB, name string) (*servicetest.Server, *service.Service) {
	t.Helper()
	member, err := service.Open(context.Background(), s.deps(t, name), orders.New, orders.Config{Window: window})
	if err != nil {
		t.Fatal(err)
	}
	return servicetest.Serve(t, member), member
}

// deps are those of one more member.
func (s *system) deps(t testing.TB, name string) service.Deps {
	t.Helper()
	return service.Deps{
		Name: orders.Name, Store: s.store, Bus: stantest.Connect(t, s.broker, name), Sessions: servicetest.Sessions(t),
		Log: s.log.Logger(), Now: servicetest.Now,
	}
}

// hasSeen reports whether the service's replica of the ticket stands at this version.
func (s *system) hasSeen(t testing.TB, ticket event.Ticket) bool {
	t.Helper()
	seen, err := s.service.Replica("ticket").Item(t.Context(), ticket.ID)
	return err == nil && seen.Version == ticket.Version
}

// tell publishes an event of a ticket.
func (s *system) tell(t testing.TB, ticket event.Ticket) {
	t.Helper()
	data, err := event.Encode(ticket)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.bus.Publish(t.Context(), string(ticket.Subject()), data); err != nil {
		t.Fatal(err)
	}
}

// see publishes an event of a ticket and waits until the service has seen it.
func (s *system) see(t testing.TB, ticket event.Ticket) event.Ticket {
	t.Helper()
	s.tell(t, ticket)
	servicetest.Eventually(t, "orders has seen the ticket", func() bool { return s.hasSeen(t, ticket) })
	return ticket
}

// seeNew makes a ticket that the service has seen.
func (s *system) seeNew(t testing.TB) event.Ticket {
	t.Helper()
	return s.see(t, event.Ticket{ID: event.NewID(time.Now()), Title: "concert", Price: 2050, UserID: seller})
}

// records are all orders as they are stored.
func (s *system) records(t testing.TB) []store.Record {
	t.Helper()
	return servicetest.Records(t, s.store, ordersSpec())
}

func ordersSpec() store.Spec { return store.Spec{Name: "orders", Indexes: []string{"user"}} }

// order is what the API answers.
type order struct {
	ID        event.ID      `json:"id"`
	Version   event.Version `json:"version"`
	UserID    event.ID      `json:"userId"`
	Status    string        `json:"status"`
	ExpiresAt event.Time    `json:"expiresAt"`
	Ticket    struct {
		ID      event.ID      `json:"id"`
		Title   string        `json:"title"`
		Price   event.Price   `json:"price"`
		Version event.Version `json:"version"`
	} `json:"ticket"`
}

// wish asks for an order, show reads one, cancel gives one up.
func wish(session string, ticket event.ID) servicetest.Request {
	return servicetest.Request{
		Line: "POST /api/orders", Session: session, Media: servicetest.JSON, Body: `{"ticketId":"` + string(ticket) + `"}`,
	}
}

func show(session string, id event.ID) servicetest.Request {
	return servicetest.Request{Line: "GET /api/orders/" + string(id), Session: session}
}

func cancel(session string, id event.ID) servicetest.Request {
	return servicetest.Request{Line: "DELETE /api/orders/" + string(id), Session: session}
}

// place makes an order that must succeed.
func (s *system) place(t *testing.T, user, ticket event.ID) order {
	t.Helper()
	return servicetest.Decode[order](t, s.Expect(t, wish(servicetest.SignIn(t, user), ticket), 201))
}
