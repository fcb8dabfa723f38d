package web

import (
	"crypto/rand"
	"net/http"
	"net/url"

	"ticketing/pkg/event"
)

// shelf is a page of tickets.
type shelf struct {
	list[ticket]
	// Search is what the titles have in common; empty for all.
	Search string
	// Next is the path of the next page; empty on the last one.
	Next string
	// First reports that nothing is left out before these.
	First bool
	// Live is where changes of this page come from.
	Live string
}

// shelfOf reads the tickets that the request asks for.
func (s *site) shelfOf(w http.ResponseWriter, r *http.Request) (shelf, error) {
	query := url.Values{}
	for _, name := range []string{"title", "after"} {
		if given := r.URL.Query().Get(name); given != "" {
			query.Set(name, given)
		}
	}
	own := query.Encode()
	found, err := s.api.tickets(w, r, query)
	page := shelf{list: found, Search: query.Get("title"), First: query.Get("after") == "", Live: "/live/tickets?" + own}
	if found.After != "" {
		query.Del("limit")
		query.Set("after", found.After)
		page.Next = "/?" + query.Encode()
	}
	return page, err
}

func (s *site) tickets(w http.ResponseWriter, r *http.Request) error {
	v, err := s.page(w, r, "Tickets for sale")
	if err != nil {
		return err
	}
	if v.Page, err = s.shelfOf(w, r); err != nil {
		return err
	}
	return s.render(w, http.StatusOK, "tickets", v)
}

// offer is the page of one ticket.
type offer struct {
	Ticket ticket
	// Mine reports that the visitor sells it.
	Mine bool
	// Key makes an order of this page one order, however often it is sent.
	Key string
}

func (s *site) ticket(w http.ResponseWriter, r *http.Request) error {
	v, err := s.page(w, r, "")
	if err != nil {
		return err
	}
	return s.showTicket(w, r, http.StatusOK, v)
}

func (s *site) showTicket(w http.ResponseWriter, r *http.Request, status int, v view) error {
	found, err := s.api.ticket(w, r, id(r))
	if err != nil {
		return err
	}
	v.Title, v.Here = found.Title, "/tickets/"+string(found.ID)
	v.Page = offer{found, v.User != nil && v.User.ID == found.UserID, rand.Text()}
	return s.render(w, status, "ticket", v)
}

// placeOrder buys a ticket. If somebody else was quicker, its page says so.
func (s *site) placeOrder(w http.ResponseWriter, r *http.Request) error {
	v, err := s.ownPage(w, r, "")
	if err != nil {
		return err
	}
	var placed order
	err = s.api.doSeen(w, r, call{method: http.MethodPost, url: s.api.OrdersURL + "/api/orders",
		body: map[string]string{"ticketId": id(r)}, key: r.PostFormValue("key")}, &placed)
	if err == nil {
		return see(w, r, "/orders/"+string(placed.ID))
	}
	if err := v.Form.blame(err); err != nil {
		return err
	}
	return s.showTicket(w, r, statusOf(err), v)
}

// draft is the form of a ticket that is offered or edited.
type draft struct {
	// Action is where the form is sent.
	Action string
	// Key makes a sale of this form one ticket, however often it is sent.
	Key string
	New bool
}

func (s *site) sellForm(w http.ResponseWriter, r *http.Request) error {
	v, err := s.ownPage(w, r, "Sell a ticket")
	if err != nil {
		return err
	}
	v.Page = draft{"/sell", rand.Text(), true}
	return s.render(w, http.StatusOK, "sell", v)
}

func (s *site) sell(w http.ResponseWriter, r *http.Request) error {
	v, err := s.ownPage(w, r, "Sell a ticket")
	if err != nil {
		return err
	}
	v.Form, v.Page, v.Here = typed(r, "title", "price"), draft{"/sell", r.PostFormValue("key"), true}, "/sell"
	var sold ticket
	err = s.api.do(w, r, call{method: http.MethodPost, url: s.api.TicketsURL + "/api/tickets", body: v.Form.Values,
		key: r.PostFormValue("key")}, &sold)
	if statusOf(err) == http.StatusUnprocessableEntity { // the form was sent before, with another content
		v.Page = draft{"/sell", rand.Text(), true}
	}
	return s.sold(w, r, err, v, sold.ID)
}

func (s *site) editForm(w http.ResponseWriter, r *http.Request) error {
	v, err := s.ownPage(w, r, "Edit a ticket")
	if err != nil {
		return err
	}
	found, err := s.api.ticket(w, r, id(r))
	if err != nil {
		return err
	}
	v.Form.Values = map[string]string{"title": found.Title, "price": found.Price.String()}
	v.Page = draft{Action: "/tickets/" + string(found.ID) + "/edit"}
	return s.render(w, http.StatusOK, "sell", v)
}

func (s *site) edit(w http.ResponseWriter, r *http.Request) error {
	v, err := s.ownPage(w, r, "Edit a ticket")
	if err != nil {
		return err
	}
	v.Form, v.Page = typed(r, "title", "price"), draft{Action: "/tickets/" + id(r) + "/edit"}
	err = s.api.do(w, r, call{method: http.MethodPut, url: s.api.TicketsURL + "/api/tickets/" + url.PathEscape(id(r)), body: v.Form.Values}, nil)
	return s.sold(w, r, err, v, event.ID(id(r)))
}

// sold goes on to a ticket, or shows its form again.
func (s *site) sold(w http.ResponseWriter, r *http.Request, err error, v view, id event.ID) error {
	if err == nil {
		return see(w, r, "/tickets/"+url.PathEscape(string(id)))
	}
	if other := v.Form.blame(err, "title", "price"); other != nil {
		return other
	}
	return s.again(w, err, "sell", v)
}

func (s *site) mine(w http.ResponseWriter, r *http.Request) error {
	v, err := s.ownPage(w, r, "My tickets")
	if err != nil {
		return err
	}
	query := url.Values{"seller": {"me"}}
	if after := r.URL.Query().Get("after"); after != "" {
		query.Set("after", after)
	}
	found, err := s.api.tickets(w, r, query)
	if err != nil {
		return err
	}
	v.Page = shelf{list: found, Next: next("/mine", found.After)}
	return s.render(w, http.StatusOK, "mine", v)
}

// next is the path of the page after this one; empty if there is none.
func next(path, after string) string {
	if after == "" {
		return ""
	}
	return path + "?after=" + url.QueryEscape(after)
}
