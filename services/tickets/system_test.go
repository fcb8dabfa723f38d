package tickets_test

import (
	"context"
	"fmt"
	"testing"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanserver"
	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/event"
	"ticketing/pkg/service"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
	"ticketing/services/tickets"
)

const (
	ann     = event.ID("65a0000000000000000000aa")
	bob     = event.ID("65a0000000000000000000bb")
	unknown = event.ID("65a1b2c3d4e5f60718293a4b")
)

// system is a tickets service with a broker, a store and a log of its own.
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
	var err error
	s.service, err = service.Open(context.Background(), service.Deps{
		Name: tickets.Name, Store: s.store, Bus: s.bus, Sessions: servicetest.Sessions(t), Log: s.log.Logger(), Now: servicetest.Now,
	}, tickets.New, tickets.Config{})
	if err != nil {
		t.Fatal(err)
	}
	s.Server = servicetest.Serve(t, s.service)
	s.AwaitReady(t)
	return s
}

// records are all tickets as they are stored.
func (s *system) records(t testing.TB) []store.Record {
	t.Helper()
	return servicetest.Records(t, s.store, store.Spec{Name: "tickets"})
}

// ticket is what the API answers.
type ticket struct {
	ID      event.ID      `json:"id"`
	Title   string        `json:"title"`
	Price   event.Price   `json:"price"`
	UserID  event.ID      `json:"userId"`
	Version event.Version `json:"version"`
	OrderID event.ID      `json:"orderId"`
	Status  string        `json:"status"`
}

// post offers a ticket, put edits one.
func post(session, draft string) servicetest.Request {
	return servicetest.Request{Line: "POST /api/tickets", Session: session, Media: servicetest.JSON, Body: draft}
}

func put(id event.ID, session, draft string) servicetest.Request {
	return servicetest.Request{Line: "PUT /api/tickets/" + string(id), Session: session, Media: servicetest.JSON, Body: draft}
}

func get(target string) servicetest.Request { return servicetest.Request{Line: "GET " + target} }

const concert = `{"title":"concert","price":20}`

// offer makes a ticket of ann's.
func (s *system) offer(t testing.TB) ticket {
	t.Helper()
	return servicetest.Decode[ticket](t, s.Expect(t, post(servicetest.SignIn(t, ann), concert), 201))
}

// draftOf is a draft that no other number has.
func draftOf(n int) string { return fmt.Sprintf(`{"title":"draft %d","price":%d}`, n, n+1) }
