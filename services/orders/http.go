package orders

import (
	"context"
	"errors"
	"net/http"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
)

// view is an order as clients see it.
type view struct {
	ID      event.ID      `json:"id"`
	Version event.Version `json:"version"`
	Order
}

func viewOf(order outbox.Entity[Order]) view {
	return view{ID: order.ID, Version: order.Version, Order: order.State}
}

func (s *Service) routes() http.Handler {
	r := httpapi.NewRouter(s.deps.Log)
	r.Use(s.deps.Sessions.Authenticate, identity.Require)
	handle := func(h httpapi.Handler) http.HandlerFunc { return httpapi.Handle(s.deps.Log, h) }
	r.Post("/api/orders", handle(s.create))
	r.Get("/api/orders", handle(s.list))
	r.Get("/api/orders/{id}", handle(s.show))
	r.Delete("/api/orders/{id}", handle(s.cancel))
	return r
}

// create answers 201 when the order and its event are durable. Of several orders for one ticket the
// store lets one through.
func (s *Service) create(w http.ResponseWriter, r *http.Request) error {
	user, _ := identity.FromContext(r.Context())
	wish, err := httpapi.Decode[struct {
		TicketID event.ID `json:"ticketId"`
	}](r)
	if err != nil {
		return err
	}
	if wish.TicketID == "" {
		return fault.InvalidField("ticketId", "must be given")
	}
	ticket, err := s.reservable(r.Context(), wish.TicketID)
	if err != nil {
		return err
	}
	now := s.deps.Now()
	order, err := s.orders.Create(r.Context(), event.NewID(now), Reserve(user.ID, ticket, now, s.deps.Window))
	if errors.Is(err, store.ErrKeyTaken) {
		return alreadyReserved()
	}
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/orders/"+string(order.ID))
	return write(w, http.StatusCreated, order)
}

func alreadyReserved() error {
	return fault.Field(fault.Conflict, "ticketId", "this ticket is reserved or sold")
}

// reservable returns the ticket as it would be reserved now. A ticket that the tickets service says is
// held by an order this service never had is refused; one held by an order cancelled here is free,
// as the news of it may still be on its way back.
func (s *Service) reservable(ctx context.Context, id event.ID) (Reserved, error) {
	ticket, version, err := s.tickets.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Reserved{}, fault.Field(fault.NotFound, "ticketId", "there is no such ticket")
	}
	if err != nil {
		return Reserved{}, err
	}
	if ticket.OrderID != "" {
		holder, err := s.orders.Get(ctx, ticket.OrderID)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return Reserved{}, err
		}
		if err != nil || holder.State.Status != Cancelled {
			return Reserved{}, alreadyReserved()
		}
	}
	return Reserved{ID: id, Title: ticket.Title, Price: ticket.Price, Version: version}, nil
}

func (s *Service) list(w http.ResponseWriter, r *http.Request) error {
	user, _ := identity.FromContext(r.Context())
	page, err := httpapi.ParsePage(r)
	if err != nil {
		return err
	}
	found, err := s.orders.List(r.Context(), store.Query{
		Index: userIndex, Value: string(user.ID), After: page.After, Limit: page.Limit + 1,
	})
	if err != nil {
		return err
	}
	views := make([]view, len(found))
	for i, order := range found {
		views[i] = viewOf(order)
	}
	return httpapi.WriteList(w, r, page, views, func(v view) string { return string(v.ID) })
}

func (s *Service) show(w http.ResponseWriter, r *http.Request) error {
	user, _ := identity.FromContext(r.Context())
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	order, err := s.orders.Get(r.Context(), id)
	if err != nil {
		return err
	}
	if err := order.State.CheckOwner(user.ID); err != nil {
		return err
	}
	return write(w, http.StatusOK, order)
}

// cancel answers 204 when the ticket is free again and the event durable, also where it was so before.
func (s *Service) cancel(w http.ResponseWriter, r *http.Request) error {
	user, _ := identity.FromContext(r.Context())
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	expected, conditional, err := httpapi.IfMatch(r)
	if err != nil {
		return err
	}
	_, err = s.orders.Change(r.Context(), id, func(o outbox.Entity[Order]) (Order, error) {
		cancelled, err := o.State.Cancel(user.ID)
		if fault.KindOf(err) != fault.Forbidden && conditional && int64(o.Version) != expected {
			return o.State, fault.New(fault.Stale, "the order has been changed since it was read")
		}
		return cancelled, err
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func write(w http.ResponseWriter, status int, order outbox.Entity[Order]) error {
	httpapi.SetETag(w, int64(order.Version))
	return httpapi.WriteJSON(w, status, viewOf(order))
}
