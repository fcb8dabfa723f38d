package web

import (
	"net/http"
	"net/url"
	"time"

	"ticketing/pkg/payment"
)

// purchases is a page of orders.
type purchases struct {
	list[order]
	Next string
}

func (s *site) orders(w http.ResponseWriter, r *http.Request) error {
	v, err := s.ownPage(w, r, "My orders")
	if err != nil {
		return err
	}
	query := url.Values{}
	if after := r.URL.Query().Get("after"); after != "" {
		query.Set("after", after)
	}
	found, err := s.api.orders(w, r, query)
	if err != nil {
		return err
	}
	v.Page = purchases{found, next("/orders", found.After)}
	return s.render(w, http.StatusOK, "orders", v)
}

// purchase is the page of one order.
type purchase struct {
	Order order
	// Payment is nil if nobody has tried to pay.
	Payment *made
	// Cards are what the buyer can pay with.
	Cards payment.Public
	// Now is the server's time, which decides: a countdown of the browser goes by the difference alone.
	Now time.Time
	// Live is where changes of this page come from.
	Live string
	// Again reports that a payment was on its way when the viewer last looked, and was not made.
	Again bool
}

// Open reports whether the order can still be paid.
func (p purchase) Open() bool { return p.Order.Status == "created" && !p.Over() && !p.Paying() }

// Over reports whether the order's time is over, though it may not have been cancelled yet.
func (p purchase) Over() bool { return !p.Now.Before(p.Order.ExpiresAt.Time) }

// Paying reports whether a payment is on its way: made, and the order has not heard of it, or not known yet.
func (p purchase) Paying() bool {
	if p.Order.Status != "created" || p.Payment == nil {
		return false
	}
	switch p.Payment.Status {
	case "charging", "unknown", "charged":
		return true
	}
	return false
}

// State is how the order stands, in one word for the page.
func (p purchase) State() string {
	switch {
	case p.Payment != nil && (p.Payment.Status == "refunding" || p.Payment.Status == "refunded"):
		return p.Payment.Status
	case p.Paying():
		return "paying"
	case p.Order.Status == "created" && p.Over():
		return "over"
	}
	return p.Order.Status
}

// Left is how many seconds the buyer has.
func (p purchase) Left() int { return max(0, int(p.Order.ExpiresAt.Sub(p.Now).Seconds())) }

func (s *site) purchaseOf(w http.ResponseWriter, r *http.Request) (p purchase, err error) {
	if p.Order, err = s.api.order(w, r, id(r)); err != nil {
		return p, err
	}
	p.Now, p.Live = s.now(), "/live/orders/"+string(p.Order.ID)
	p.Payment, err = s.api.payment(w, r, p.Order.ID)
	return p, err
}

func (s *site) order(w http.ResponseWriter, r *http.Request) error {
	v, err := s.ownPage(w, r, "")
	if err != nil {
		return err
	}
	return s.showOrder(w, r, http.StatusOK, v)
}

func (s *site) showOrder(w http.ResponseWriter, r *http.Request, status int, v view) error {
	p, err := s.purchaseOf(w, r)
	if err != nil {
		return err
	}
	if p.Cards, err = s.api.cards(w, r); err != nil {
		return err
	}
	if p.Cards.PublishableKey != "" {
		w.Header().Set("Content-Security-Policy", stripePolicy)
	}
	v.Title, v.Here, v.Page = "Order: "+p.Order.Ticket.Title, "/orders/"+string(p.Order.ID), p
	return s.render(w, status, "order", v)
}

func (s *site) cancel(w http.ResponseWriter, r *http.Request) error {
	return s.changeOrder(w, r, call{method: http.MethodDelete, url: s.api.OrdersURL + "/api/orders/" + url.PathEscape(id(r))})
}

func (s *site) pay(w http.ResponseWriter, r *http.Request) error {
	return s.changeOrder(w, r, call{method: http.MethodPost, url: s.api.PaymentsURL + "/api/payments",
		body: map[string]string{"token": r.PostFormValue("token"), "orderId": id(r)}})
}

// changeOrder sends a request about an order, and shows the order with what is wrong if it is refused.
func (s *site) changeOrder(w http.ResponseWriter, r *http.Request, c call) error {
	v, err := s.ownPage(w, r, "")
	if err != nil {
		return err
	}
	if err = s.api.doSeen(w, r, c, nil); err == nil {
		return see(w, r, "/orders/"+url.PathEscape(id(r)))
	}
	if err := v.Form.blame(err, "token"); err != nil {
		return err
	}
	return s.showOrder(w, r, statusOf(err), v)
}
