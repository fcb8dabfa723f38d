package story

import (
	"context"
	"encoding/json"
	"net/http"
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

// Seen returns a ticket as the orders service has seen it, which is what an order of it would hold: it
// orders the ticket and cancels at once. A *StatusError with 404 where the service has not seen it.
func (p *Person) Seen(ctx context.Context, ticketID string) (Ticket, error) {
	order, err := p.Order(ctx, ticketID)
	if err != nil {
		return Ticket{}, err
	}
	return order.Ticket, p.Cancel(ctx, order.ID)
}
