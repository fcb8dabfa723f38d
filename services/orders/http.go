package orders

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/idempotency"
	"ticketing/pkg/identity"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
)

// view is an order as clients see it.
type view struct {
	ID        event.ID      `json:"id"`
	Version   event.Version `json:"version"`
	UserID    event.ID      `json:"userId"`
	Status    Status        `json:"status"`
	ExpiresAt event.Time    `json:"expiresAt"`
	Ticket    Reserved      `json:"ticket"`
}

func viewOf(order outbox.Entity[Order]) view {
	o := order.State
	return view{ID: order.ID, Version: order.Version, UserID: o.UserID, Status: o.Status, ExpiresAt: o.ExpiresAt, Ticket: o.Ticket}
}

func (s *api) routes() http.Handler {
	r := httpapi.NewRouter(s.Log)
	r.Use(s.Sessions.Authenticate, identity.Require)
	handle := func(h httpapi.Handler) http.HandlerFunc { return httpapi.Handle(s.Log, h) }
	r.Post("/api/orders", handle(s.create))
	r.Get("/api/orders", handle(s.list))
	r.Get("/api/orders/{id}", handle(s.show))
	r.Delete("/api/orders/{id}", handle(s.cancel))
	return r
}

// wish is what a buyer asks for.
type wish struct {
	TicketID event.ID `json:"ticketId"`
}

// create answers 201 when the order and its event are durable. Of several orders for one ticket the store lets one
// through. A repeat under the same Idempotency-Key makes no second order. It gets the same answer, even if the order
// has been cancelled since.
func (s *api) create(w http.ResponseWriter, r *http.Request) error {
	user, _ := identity.FromContext(r.Context())
	wanted, err := httpapi.Decode[wish](r)
	if err != nil {
		return err
	}
	if wanted.TicketID == "" {
		return fault.InvalidField("ticketId", "must be given")
	}
	claim, err := s.keys.Claim(r, user.ID, wanted, s.Now())
	if err != nil {
		return err
	}
	order, err := s.order(r.Context(), claim, user.ID, wanted.TicketID)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/orders/"+string(order.ID))
	return write(w, http.StatusCreated, order)
}

// order makes the order of a claim, or returns it as it was made. The ticket of a repeat may be refused because the
// claim's own order holds it, or because it was cancelled and another order holds the ticket now.
func (s *api) order(ctx context.Context, claim idempotency.Claim, buyer, ticketID event.ID) (outbox.Entity[Order], error) {
	ticket, refusal := s.reservable(ctx, ticketID, claim.ID)
	if refusal != nil {
		return s.orders.Repeated(ctx, claim.ID, claim.RequestHash, Order.AsCreated, refusal)
	}
	reserved := Reserve(buyer, ticket, s.Now(), s.Window)
	order, err := s.orders.CreateOnce(ctx, claim.ID, claim.RequestHash, reserved, Order.AsCreated)
	if errors.Is(err, store.ErrKeyTaken) {
		return order, alreadyReserved()
	}
	return order, err
}

func alreadyReserved() error {
	return fault.Field(fault.Conflict, "ticketId", "this ticket is reserved or sold")
}

// reservable returns the ticket as the order would reserve it now. It refuses a ticket that, as the tickets service
// has it, another order holds, unless that order was cancelled here: the news of it may still be on its way back. It
// returns store.ErrConflict if the order itself holds the ticket, because then it exists.
func (s *api) reservable(ctx context.Context, id, order event.ID) (Reserved, error) {
	ticket, version, err := s.tickets.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return Reserved{}, fault.Field(fault.NotFound, "ticketId", "there is no such ticket")
	}
	if err != nil {
		return Reserved{}, err
	}
	if ticket.OrderID == order {
		return Reserved{}, fmt.Errorf("order %s holds ticket %s: %w", order, id, store.ErrConflict)
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

func (s *api) list(w http.ResponseWriter, r *http.Request) error {
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

func (s *api) show(w http.ResponseWriter, r *http.Request) error {
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

// cancel answers 204 when the ticket is free again and the event durable, also if that was so before.
func (s *api) cancel(w http.ResponseWriter, r *http.Request) error {
	user, _ := identity.FromContext(r.Context())
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	precondition, err := httpapi.ParsePrecondition(r)
	if err != nil {
		return err
	}
	_, err = s.orders.Change(r.Context(), id, func(o outbox.Entity[Order]) (Order, error) {
		cancelled, err := o.State.Cancel(user.ID)
		return cancelled, precondition.Check("order", o.Version, err)
	})
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func write(w http.ResponseWriter, status int, order outbox.Entity[Order]) error {
	httpapi.SetETag(w, order.Version)
	return httpapi.WriteJSON(w, status, viewOf(order))
}
