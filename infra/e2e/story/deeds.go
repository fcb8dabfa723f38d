package story

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// Ticket is a ticket as the API shows it. In an order it has no user.
type Ticket struct {
	ID      string      `json:"id"`
	Title   string      `json:"title"`
	Price   json.Number `json:"price"`
	UserID  string      `json:"userId"`
	Version int64       `json:"version"`
}

// Order is an order as the API shows it, with the ticket as it was reserved.
type Order struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Ticket Ticket `json:"ticket"`
}

// draft is what a seller writes.
type draft struct {
	Title string `json:"title"`
	Price int    `json:"price"`
}

// Sell offers a new ticket.
func (p *Person) Sell(ctx context.Context, title string, price int) (t Ticket, err error) {
	err = p.Do(ctx, http.MethodPost, "/api/tickets", draft{title, price}, http.StatusCreated, &t)
	return t, err
}

// Edit changes a ticket of one's own.
func (p *Person) Edit(ctx context.Context, id, title string, price int) (t Ticket, err error) {
	err = p.Do(ctx, http.MethodPut, "/api/tickets/"+id, draft{title, price}, http.StatusOK, &t)
	return t, err
}

// Order reserves a ticket.
func (p *Person) Order(ctx context.Context, ticketID string) (o Order, err error) {
	err = p.Do(ctx, http.MethodPost, "/api/orders", map[string]string{"ticketId": ticketID}, http.StatusCreated, &o)
	return o, err
}

// Cancel gives the ticket of an order of one's own back.
func (p *Person) Cancel(ctx context.Context, orderID string) error {
	return p.Do(ctx, http.MethodDelete, "/api/orders/"+orderID, nil, http.StatusNoContent, nil)
}

// Pay pays for an order of one's own by a test card. A *StatusError with 404 where payments has not seen the order.
func (p *Person) Pay(ctx context.Context, orderID, card string) error {
	wish := map[string]string{"orderId": orderID, "token": card}
	return p.Do(ctx, http.MethodPost, "/api/payments", wish, http.StatusCreated, nil)
}

// Await returns nil as soon as an order of one's own has a status. At the end of ctx it returns what the order is instead.
func (p *Person) Await(ctx context.Context, orderID, status string) error {
	return try(ctx, func() (again bool, err error) {
		var o Order
		err = p.Do(ctx, http.MethodGet, "/api/orders/"+orderID, nil, http.StatusOK, &o)
		if err == nil && o.Status != status {
			return true, fmt.Errorf("order %s is %s, not %s", orderID, o.Status, status)
		}
		return false, err
	})
}

// try does something again and again until it succeeds, fails for good, or ctx ends. It returns the last error.
func try(ctx context.Context, do func() (again bool, err error)) error {
	for {
		again, err := do()
		if err == nil || !again {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Seen returns a ticket as the orders service has seen it, which is what an order of it would hold: it
// orders the ticket and cancels at once. A *StatusError with 404 where the service has not seen it.
func (p *Person) Seen(ctx context.Context, ticketID string) (Ticket, error) {
	order, err := p.Order(ctx, ticketID)
	if err != nil {
		return Ticket{}, err
	}
	return order.Ticket, p.Cancel(ctx, order.ID)
}
