package story

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// seeing is how long news may take from one service to another, on a slow machine.
const seeing = time.Minute

// Walk goes through the system once: two people, one ticket, and everything that may and may not be done
// with it. It tells each step to say when it is done, and returns the first thing that is not as it should be.
func Walk(ctx context.Context, f Front, say func(step string)) error {
	w := &walk{ctx: ctx, front: f}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"two people sign up, and are known", w.meet},
		{"one sells a ticket and changes it; the other may not", w.sell},
		{"the other orders it, at the price of its last version", w.order},
		{"nobody else can order it, or look at the order", w.refuse},
		{"cancelled, it can be ordered by anybody", w.cancel},
		{"paid, it is sold for good, if cards are test cards", w.pay},
		{"signed out, nobody can order", w.signOut},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		say(step.name)
	}
	w.seller.Leave()
	w.buyer.Leave()
	return nil
}

// walk is where the walk is.
type walk struct {
	ctx           context.Context
	front         Front
	seller, buyer *Person
	ticket        Ticket
	held          Order
}

func (w *walk) meet() (err error) {
	if w.seller, err = Meet(w.ctx, w.front, "seller"); err != nil {
		return err
	}
	if w.buyer, err = Meet(w.ctx, w.front, "buyer"); err != nil {
		return err
	}
	var known struct {
		CurrentUser struct {
			Email string `json:"email"`
		} `json:"currentUser"`
	}
	if err := w.buyer.Do(w.ctx, http.MethodGet, "/api/users/currentuser", nil, http.StatusOK, &known); err != nil {
		return err
	}
	if known.CurrentUser.Email != w.buyer.Email {
		return fmt.Errorf("signed in as %q, want %q", known.CurrentUser.Email, w.buyer.Email)
	}
	return nil
}

func (w *walk) sell() (err error) {
	if w.ticket, err = w.seller.Sell(w.ctx, "concert", 20); err != nil {
		return err
	}
	path := "/api/tickets/" + w.ticket.ID
	if err := w.buyer.Do(w.ctx, http.MethodPut, path, draft{"mine", 1}, http.StatusForbidden, nil); err != nil {
		return err
	}
	if w.ticket, err = w.seller.Edit(w.ctx, w.ticket.ID, "concert, front row", 50); err != nil {
		return err
	}
	var shown Ticket
	if err := w.buyer.Do(w.ctx, http.MethodGet, path, nil, http.StatusOK, &shown); err != nil {
		return err
	}
	if shown != w.ticket || shown.Version != 1 {
		return fmt.Errorf("the ticket is shown as %+v, want %+v at version 1", shown, w.ticket)
	}
	return nil
}

// order waits until orders has heard of the ticket's last version.
func (w *walk) order() (err error) {
	ctx, cancel := context.WithTimeout(w.ctx, seeing)
	defer cancel()
	if err := AwaitSeen(ctx, w.buyer, w.ticket); err != nil {
		return err
	}
	w.held, err = w.buyer.Order(w.ctx, w.ticket.ID)
	return err
}

func (w *walk) refuse() error {
	wish := map[string]string{"ticketId": w.ticket.ID}
	if err := w.seller.Do(w.ctx, http.MethodPost, "/api/orders", wish, http.StatusConflict, nil); err != nil {
		return err
	}
	return w.seller.Do(w.ctx, http.MethodGet, "/api/orders/"+w.held.ID, nil, http.StatusForbidden, nil)
}

func (w *walk) cancel() error {
	if err := w.buyer.Cancel(w.ctx, w.held.ID); err != nil {
		return err
	}
	order, err := w.seller.Order(w.ctx, w.ticket.ID)
	if err != nil {
		return err
	}
	var list []Order
	if err := w.seller.Do(w.ctx, http.MethodGet, "/api/orders", nil, http.StatusOK, &list); err != nil {
		return err
	}
	if len(list) != 1 || list[0] != order {
		return fmt.Errorf("the list of orders is %+v, want %+v alone", list, order)
	}
	return w.seller.Cancel(w.ctx, order.ID)
}

// pay does nothing if real cards are charged.
func (w *walk) pay() error {
	var cards struct{ Provider string }
	if err := w.buyer.Do(w.ctx, http.MethodGet, "/api/payments/config", nil, http.StatusOK, &cards); err != nil || cards.Provider != "test" {
		return err
	}
	ctx, cancel := context.WithTimeout(w.ctx, seeing)
	defer cancel()
	order, err := w.buyer.Order(ctx, w.ticket.ID)
	if err != nil {
		return err
	}
	err = try(ctx, func() (again bool, err error) {
		err = w.buyer.Pay(ctx, order.ID, "tok_chargeDeclined")
		return Is(err, http.StatusNotFound), err
	})
	if !Is(err, http.StatusBadRequest) {
		return fmt.Errorf("a card that is declined: %w", err)
	}
	if err := w.buyer.Pay(ctx, order.ID, "tok_visa"); err != nil {
		return err
	}
	if err := w.buyer.Await(ctx, order.ID, "complete"); err != nil {
		return err
	}
	if err := w.buyer.Do(ctx, http.MethodDelete, "/api/orders/"+order.ID, nil, http.StatusConflict, nil); err != nil {
		return err
	}
	return w.seller.Do(ctx, http.MethodPost, "/api/orders", map[string]string{"ticketId": w.ticket.ID}, http.StatusConflict, nil)
}

func (w *walk) signOut() error {
	if err := w.buyer.Do(w.ctx, http.MethodPost, "/api/users/signout", nil, http.StatusOK, nil); err != nil {
		return err
	}
	wish := map[string]string{"ticketId": w.ticket.ID}
	return w.buyer.Do(w.ctx, http.MethodPost, "/api/orders", wish, http.StatusUnauthorized, nil)
}

// AwaitSeen returns nil as soon as the orders service has seen a ticket as it is given, also if its version is later:
// each look holds the ticket and frees it. At the end of ctx it returns what orders has seen instead.
func AwaitSeen(ctx context.Context, p *Person, want Ticket) error {
	return try(ctx, func() (again bool, err error) {
		got, err := p.Seen(ctx, want.ID)
		switch {
		case err == nil && got.Title == want.Title && got.Price == want.Price && got.Version >= want.Version:
			return false, nil
		case err == nil:
			err = fmt.Errorf("orders has seen %+v, want %+v", got, want)
		case !Is(err, http.StatusNotFound):
			return false, err
		}
		return true, err
	})
}
