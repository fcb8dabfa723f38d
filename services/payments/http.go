package payments

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
	"ticketing/pkg/outbox"
	"ticketing/pkg/payment"
	"ticketing/pkg/store"
)

// maxToken is the most bytes a token may have.
const maxToken = 255

func (s *api) routes() http.Handler {
	r := httpapi.NewRouter(s.Service.Log)
	handle := func(h httpapi.Handler) http.HandlerFunc { return httpapi.Handle(s.Service.Log, h) }
	r.Get("/api/payments/config", handle(s.config))
	if reporter, reports := s.provider.(reporter); reports {
		r.Post("/api/payments/webhook", handle(s.hear(reporter)))
	}
	r.Group(func(r chi.Router) {
		r.Use(s.Sessions.Authenticate, identity.Require)
		r.Post("/api/payments", handle(s.create))
		r.Get("/api/payments", handle(s.list))
	})
	return r
}

// reporter is a provider that reports on its own. What it says is asked for all the same, only sooner.
type reporter interface {
	// Hear returns the order that a report is about. It returns an error if the report is not the provider's, or is
	// about something else.
	Hear(header http.Header, body []byte) (event.ID, error)
}

// hear resolves the payment that a report is about. A report about anything else is nothing to repeat.
func (s *api) hear(reporter reporter) httpapi.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, httpapi.MaxBody))
		if err != nil {
			return fault.New(fault.Invalid, "the report could not be read")
		}
		id, err := reporter.Hear(r.Header, body)
		if err != nil {
			s.log.Debug("a report is passed over", "error", err)
			return fault.New(fault.Invalid, "this is no report about a payment")
		}
		p, err := s.payments.Get(r.Context(), id)
		if err == nil && (p.State.Open() || p.State.Status == Declined) { // a charge may come after it was given up
			err = resolver{s.cashier}.resolve(r.Context(), p)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return fault.New(fault.Unavailable, "the payment cannot be looked at now")
		}
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

// config answers with what a page has to know to ask for a token.
func (s *api) config(w http.ResponseWriter, _ *http.Request) error {
	return httpapi.WriteJSON(w, http.StatusOK, s.provider.Public())
}

// wish is what a buyer asks for.
type wish struct {
	Token   string   `json:"token"`
	OrderID event.ID `json:"orderId"`
}

func (w wish) check() error {
	var token, order error
	switch {
	case w.Token == "":
		token = fault.InvalidField("token", "must be given")
	case len(w.Token) > maxToken:
		token = fault.InvalidField("token", "is too long")
	}
	if w.OrderID == "" {
		order = fault.InvalidField("orderId", "must be given")
	}
	return fault.Join(token, order)
}

// paid is the answer to a payment that was made, as in the Node version.
type paid struct {
	ID event.ID `json:"id"`
}

// create answers 201 when the order is charged and that is durable, also if it was charged before. A card that is
// declined is 400 with the provider's reason. While the outcome is unknown the answer is 503: the same request may be
// sent again, and nothing is charged twice.
func (s *api) create(w http.ResponseWriter, r *http.Request) error {
	wanted, err := httpapi.Decode[wish](r)
	if err != nil {
		return err
	}
	if err := wanted.check(); err != nil {
		return err
	}
	order, err := s.ownOrder(r, wanted.OrderID)
	if err != nil {
		return err
	}
	p, err := s.payments.Get(r.Context(), wanted.OrderID)
	if errors.Is(err, store.ErrNotFound) || err == nil && p.State.Status != Charged {
		if err := payable(order, s.Now()); err != nil {
			return err
		}
		p, err = s.pay(r.Context(), wanted.OrderID, order, wanted.Token)
	}
	if err != nil {
		return err
	}
	switch p.State.Status {
	case Charged:
		return httpapi.WriteJSON(w, http.StatusCreated, paid{p.ID})
	case Declined:
		return fault.InvalidField("token", p.State.Reason)
	case Charging, Unknown:
		return fault.New(fault.Unavailable, "it is not known yet whether the payment was made; ask again, nothing is charged twice")
	}
	return p.State.over()
}

// ownOrder returns an order of the user's.
func (s *api) ownOrder(r *http.Request, id event.ID) (Order, error) {
	user, _ := identity.FromContext(r.Context())
	order, _, err := s.orders.Get(r.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return order, fault.Field(fault.NotFound, "orderId", "there is no such order")
	}
	if err == nil && order.UserID != user.ID {
		err = fault.New(fault.Forbidden, "this order belongs to somebody else")
	}
	return order, err
}

// payable refuses to pay for an order that is over, or will be before anybody hears of the payment.
func payable(order Order, now time.Time) error {
	switch {
	case order.Status == OrderComplete:
		return fault.Field(fault.Conflict, "orderId", isPaid)
	case order.Status == OrderCancelled, !now.Before(order.ExpiresAt.Time):
		return fault.Field(fault.Conflict, "orderId", isCancelled)
	}
	return nil
}

// view is a payment as clients see it.
type view struct {
	ID      event.ID `json:"id"`
	OrderID event.ID `json:"orderId"`
	Status  Status   `json:"status"`
	// Amount is in cents of Currency.
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Reason   string `json:"reason,omitempty"`
}

// list answers with the payment of one of the user's orders, or with none if nobody has tried to pay it.
func (s *api) list(w http.ResponseWriter, r *http.Request) error {
	id, err := event.ParseID(r.URL.Query().Get("orderId"))
	if err != nil {
		return fault.InvalidField("orderId", "must be the id of an order, 24 lower-case hex digits")
	}
	if _, err := s.ownOrder(r, id); err != nil {
		return err
	}
	views, err := s.viewsOf(r.Context(), id)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, views)
}

func (s *api) viewsOf(ctx context.Context, id event.ID) ([]view, error) {
	p, err := s.payments.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && p.State.Attempt == 0 {
		return []view{}, nil
	}
	return []view{viewOf(p)}, err
}

func viewOf(p outbox.Entity[Payment]) view {
	return view{ID: p.ID, OrderID: p.ID, Status: p.State.Status, Amount: p.State.Amount, Currency: payment.Currency, Reason: p.State.Reason}
}
