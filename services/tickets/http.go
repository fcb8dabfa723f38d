package tickets

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/event"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
	"ticketing/pkg/outbox"
)

// view is a ticket as clients see it.
type view struct {
	ID      event.ID      `json:"id"`
	Title   string        `json:"title"`
	Price   event.Price   `json:"price"`
	UserID  event.ID      `json:"userId"`
	Version event.Version `json:"version"`
	OrderID event.ID      `json:"orderId,omitempty"`
	Status  Status        `json:"status"`
}

func viewOf(t outbox.Entity[Ticket]) view {
	return view{ID: t.ID, Title: t.State.Title, Price: t.State.Price, UserID: t.State.UserID,
		Version: t.Version, OrderID: t.State.OrderID, Status: t.State.Status()}
}

func (s *api) routes() http.Handler {
	r := httpapi.NewRouter(s.Log)
	handle := func(h httpapi.Handler) http.HandlerFunc { return httpapi.Handle(s.Log, h) }
	r.With(s.Sessions.Authenticate).Get("/api/tickets", handle(s.list))
	r.Get("/api/tickets/{id}", handle(s.show))
	r.Group(func(r chi.Router) {
		r.Use(s.Sessions.Authenticate, identity.Require)
		r.Post("/api/tickets", handle(s.create))
		r.Put("/api/tickets/{id}", handle(s.update))
	})
	return r
}

// create answers 201 when the ticket and its event are durable. A repeat under the same Idempotency-Key gets the
// same answer, even if the ticket has been changed since.
func (s *api) create(w http.ResponseWriter, r *http.Request) error {
	user, _ := identity.FromContext(r.Context())
	draft, err := httpapi.Decode[Draft](r)
	if err != nil {
		return err
	}
	offered, err := Offer(user.ID, draft)
	if err != nil {
		return err
	}
	claim, err := s.keys.Claim(r, user.ID, draft, s.Now())
	if err != nil {
		return err
	}
	asCreated := func(Ticket) Ticket { return offered } // a repeat says it in full
	ticket, err := s.tickets.CreateOnce(r.Context(), claim.ID, claim.RequestHash, offered, asCreated)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/tickets/"+string(ticket.ID))
	return write(w, http.StatusCreated, ticket)
}

func (s *api) update(w http.ResponseWriter, r *http.Request) error {
	user, _ := identity.FromContext(r.Context())
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	precondition, err := httpapi.ParsePrecondition(r)
	if err != nil {
		return err
	}
	draft, err := httpapi.Decode[Draft](r)
	if err != nil {
		return err
	}
	ticket, err := s.tickets.Change(r.Context(), id, func(t outbox.Entity[Ticket]) (Ticket, error) {
		edited, err := t.State.Edit(user.ID, draft)
		return edited, precondition.Check("ticket", t.Version, err)
	})
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, ticket)
}

func (s *api) show(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.PathID(r, "id")
	if err != nil {
		return err
	}
	ticket, err := s.tickets.Get(r.Context(), id)
	if err != nil {
		return err
	}
	return write(w, http.StatusOK, ticket)
}

func write(w http.ResponseWriter, status int, ticket outbox.Entity[Ticket]) error {
	httpapi.SetETag(w, ticket.Version)
	return httpapi.WriteJSON(w, status, viewOf(ticket))
}
