package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/idempotency"
	"ticketing/pkg/payment"
)

// api calls the other services for a visitor.
type api struct {
	Config
	client *http.Client
}

// noRedirect takes a redirect for an answer: the API has none.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// user is who is signed in.
type user struct {
	ID    event.ID `json:"id"`
	Email string   `json:"email"`
}

// ticket is a ticket as its service shows it.
type ticket struct {
	ID      event.ID      `json:"id"`
	Title   string        `json:"title"`
	Price   event.Price   `json:"price"`
	UserID  event.ID      `json:"userId"`
	Version event.Version `json:"version"`
	OrderID event.ID      `json:"orderId,omitempty"`
	Status  string        `json:"status"`
}

// order is an order as its service shows it.
type order struct {
	ID        event.ID   `json:"id"`
	Status    string     `json:"status"`
	ExpiresAt event.Time `json:"expiresAt"`
	Ticket    ticket     `json:"ticket"`
}

// made is a payment as its service shows it.
type made struct {
	Status string `json:"status"`
	Amount int64  `json:"amount"`
	Reason string `json:"reason"`
}

// refusal is an answer of a service that is not 2xx.
type refusal struct {
	Status     int
	RetryAfter string
	Errors     []struct{ Message, Field string } `json:"errors"`
}

// Error returns all that the service says is wrong.
func (r *refusal) Error() string {
	said := make([]string, len(r.Errors))
	for i, e := range r.Errors {
		said[i] = strings.TrimPrefix(e.Field+" "+e.Message, " ")
	}
	return fmt.Sprintf("answered %d: %s", r.Status, strings.Join(said, "; "))
}

// call is one request to a service.
type call struct {
	method, url string
	body        any    // nil for none
	key         string // makes a create repeatable; empty for none
}

// notSeen is how long a service may need to hear of what another one has answered.
const notSeen = 2 * time.Second

// do sends a call with the visitor's cookies and reads the answer into into, if that is not nil. Cookies that the service
// sets go to the visitor. An answer other than 2xx is a *refusal.
func (a *api) do(w http.ResponseWriter, r *http.Request, c call, into any) error {
	var body io.Reader
	if c.body != nil {
		data, err := json.Marshal(c.body)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(r.Context(), c.method, c.url, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.method, c.url, err)
	}
	pass(request, r)
	if c.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.key != "" {
		request.Header.Set(idempotency.Header, c.key)
	}
	answer, err := a.client.Do(request)
	if err != nil {
		return fmt.Errorf("%s %s: %w", c.method, c.url, err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", c.method, c.url, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		refused := &refusal{Status: answer.StatusCode, RetryAfter: answer.Header.Get("Retry-After")}
		_ = json.Unmarshal(data, refused) // an answer of something in between may be no problem document
		refused.Status = answer.StatusCode
		return refused
	}
	for _, cookie := range answer.Header.Values("Set-Cookie") {
		w.Header().Add("Set-Cookie", cookie)
	}
	if into == nil {
		return nil
	}
	if next, ok := into.(nextPage); ok {
		next.follow(answer.Header.Get("Link"))
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", c.method, c.url, err)
	}
	return nil
}

// pass gives a request what the services may know of the visitor.
func pass(request, from *http.Request) {
	if cookies := from.Header.Values("Cookie"); len(cookies) > 0 {
		request.Header["Cookie"] = cookies
	}
	hops := append(from.Header.Values("X-Forwarded-For"), from.RemoteAddr)
	request.Header.Set("X-Forwarded-For", strings.Join(hops, ", "))
	if proto := from.Header.Get("X-Forwarded-Proto"); proto != "" {
		request.Header.Set("X-Forwarded-Proto", proto)
	}
}

// doSeen is do for a service that may not have heard yet of what the call names: it asks again until it has.
func (a *api) doSeen(w http.ResponseWriter, r *http.Request, c call, into any) error {
	ctx, cancel := context.WithTimeout(r.Context(), notSeen)
	defer cancel()
	for pause := 10 * time.Millisecond; ; pause *= 2 {
		err := a.do(w, r, c, into)
		if statusOf(err) != http.StatusNotFound {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// nextPage is a list that remembers where it goes on.
type nextPage interface{ follow(link string) }

// list is one page of a list.
type list[T any] struct {
	Items []T
	// After leads to the next page; empty on the last one.
	After string
}

// UnmarshalJSON reads the array that a list is.
func (l *list[T]) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &l.Items) }

func (l *list[T]) follow(link string) {
	reference, _, found := strings.Cut(strings.TrimPrefix(link, "<"), ">")
	if next, err := url.Parse(reference); err == nil && found {
		l.After = next.Query().Get("after")
	}
}

func (a *api) currentUser(w http.ResponseWriter, r *http.Request) (*user, error) {
	if r.Header.Get("Cookie") == "" {
		return nil, nil
	}
	var answer struct{ CurrentUser *user }
	err := a.do(w, r, call{method: http.MethodGet, url: a.UsersURL + "/api/users/currentuser"}, &answer)
	return answer.CurrentUser, err
}

// ticketPage is how many tickets one page has.
const ticketPage = 24

func (a *api) tickets(w http.ResponseWriter, r *http.Request, query url.Values) (found list[ticket], err error) {
	query.Set("limit", fmt.Sprint(ticketPage))
	return found, a.do(w, r, call{method: http.MethodGet, url: a.TicketsURL + "/api/tickets?" + query.Encode()}, &found)
}

func (a *api) ticket(w http.ResponseWriter, r *http.Request, id string) (t ticket, err error) {
	return t, a.do(w, r, call{method: http.MethodGet, url: a.TicketsURL + "/api/tickets/" + url.PathEscape(id)}, &t)
}

func (a *api) orders(w http.ResponseWriter, r *http.Request, query url.Values) (found list[order], err error) {
	return found, a.do(w, r, call{method: http.MethodGet, url: a.OrdersURL + "/api/orders?" + query.Encode()}, &found)
}

func (a *api) order(w http.ResponseWriter, r *http.Request, id string) (o order, err error) {
	return o, a.do(w, r, call{method: http.MethodGet, url: a.OrdersURL + "/api/orders/" + url.PathEscape(id)}, &o)
}

// payment returns the payment of an order; nil if nobody has tried to pay.
func (a *api) payment(w http.ResponseWriter, r *http.Request, order event.ID) (*made, error) {
	var found []made
	err := a.doSeen(w, r, call{method: http.MethodGet, url: a.PaymentsURL + "/api/payments?orderId=" + string(order)}, &found)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

func (a *api) cards(w http.ResponseWriter, r *http.Request) (public payment.Public, err error) {
	return public, a.do(w, r, call{method: http.MethodGet, url: a.PaymentsURL + "/api/payments/config"}, &public)
}
