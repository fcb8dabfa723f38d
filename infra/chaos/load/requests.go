package load

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"ticketing/infra/chaos/check"
	"ticketing/infra/chaos/inspect"
	"ticketing/pkg/event"
	"ticketing/pkg/identity"
)

// person is somebody who is signed in.
type person struct {
	id     event.ID
	cookie string
	client *http.Client
}

// newPerson signs somebody in, without the auth service.
func newPerson(sessions *identity.Sessions, name string, timeout time.Duration) (*person, error) {
	p := &person{id: event.NewID(time.Now()), client: &http.Client{
		Timeout: timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}}
	request, err := http.NewRequest(http.MethodPost, "/", nil)
	if err != nil {
		return nil, err
	}
	answer := signedIn{}
	if err := sessions.Issue(answer, request, identity.User{ID: p.id, Email: name + "@example.com"}); err != nil {
		return nil, fmt.Errorf("sign %s in: %w", name, err)
	}
	cookies := (&http.Response{Header: http.Header(answer)}).Cookies()
	p.cookie = cookies[0].Name + "=" + cookies[0].Value
	return p, nil
}

// signedIn takes the cookie of a sign-in.
type signedIn http.Header

func (s signedIn) Header() http.Header            { return http.Header(s) }
func (s signedIn) Write(data []byte) (int, error) { return len(data), nil }
func (s signedIn) WriteHeader(int)                {}

// draft is the body of a ticket. Each has a title of its own, so that every change can be told from the others.
type draft struct {
	Title string  `json:"title"`
	Price float64 `json:"price"`
}

func (l *Load) draft(dice *rand.Rand) draft {
	return draft{fmt.Sprintf("title %d", l.titles.Add(1)), float64(1+dice.IntN(100_000)) / 4}
}

// content is what a ticket with this draft is.
func (l *Load) content(d draft) string {
	state, err := json.Marshal(struct {
		draft
		UserID event.ID `json:"userId"`
	}{d, l.seller.id})
	if err != nil {
		panic(err) // cannot happen: a draft has no value that JSON lacks
	}
	content, err := inspect.Content(state)
	if err != nil {
		panic(err) // cannot happen: it was made above
	}
	return content
}

func (l *Load) create(client int, base string, dice *rand.Rand) check.Op {
	d := l.draft(dice)
	sent := time.Now()
	answer := l.seller.ask(http.MethodPost, base+"/api/tickets", d)
	op := check.Op{Client: client, Kind: check.Create, Ticket: answer.ID, Content: l.content(d), Status: answer.status}
	return l.record(op, sent)
}

func (l *Load) edit(client int, base, ticket string, dice *rand.Rand) check.Op {
	d := l.draft(dice)
	sent := time.Now()
	answer := l.seller.ask(http.MethodPut, base+"/api/tickets/"+ticket, d)
	op := check.Op{Client: client, Kind: check.Edit, Ticket: ticket, Content: l.content(d), Version: answer.Version, Status: answer.status}
	return l.record(op, sent)
}

func (l *Load) read(client int, base, ticket string) check.Op {
	sent := time.Now()
	answer := l.buyer.ask(http.MethodGet, base+"/api/tickets/"+ticket, nil)
	op := check.Op{Client: client, Kind: check.Read, Ticket: ticket, Content: answer.content, Version: answer.Version, Status: answer.status}
	return l.record(op, sent)
}

func (l *Load) reserve(client int, base, ticket string) check.Op {
	sent := time.Now()
	answer := l.buyer.ask(http.MethodPost, base+"/api/orders", map[string]string{"ticketId": ticket})
	op := check.Op{Client: client, Kind: check.Reserve, Ticket: ticket, Order: answer.ID, Status: answer.status}
	return l.record(op, sent)
}

func (l *Load) cancel(client int, base, ticket, order string) check.Op {
	sent := time.Now()
	answer := l.buyer.ask(http.MethodDelete, base+"/api/orders/"+order, nil)
	op := check.Op{Client: client, Kind: check.Cancel, Ticket: ticket, Order: order, Status: answer.status}
	return l.record(op, sent)
}

// tokens are the cards that people pay with.
var tokens = []string{"tok_visa", "tok_visa", "tok_lost", "tok_chargeDeclined"}

func (l *Load) pay(client int, base, ticket, order string, dice *rand.Rand) check.Op {
	sent := time.Now()
	answer := l.buyer.ask(http.MethodPost, base+"/api/payments", map[string]string{"orderId": order, "token": one(tokens, dice)})
	op := check.Op{Client: client, Kind: check.Pay, Ticket: ticket, Order: order, Status: answer.status}
	return l.record(op, sent)
}

// answer is what is read of an answer; status 0 where none, or no whole one, came.
type answer struct {
	ID      string `json:"id"`
	Version int64  `json:"version"`
	status  int
	content string
}

func (p *person) ask(method, url string, body any) answer {
	var payload bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&payload).Encode(body); err != nil {
			panic(err) // cannot happen: the bodies have no value that JSON lacks
		}
	}
	request, err := http.NewRequest(method, url, &payload)
	if err != nil {
		panic(err) // cannot happen: method and URL are our own
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Cookie", p.cookie)
	response, err := p.client.Do(request)
	if err != nil {
		return answer{}
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}
	}
	got := answer{status: response.StatusCode}
	if got.status >= 300 || len(data) == 0 {
		return got
	}
	if err := json.Unmarshal(data, &got); err != nil {
		return answer{}
	}
	if got.content, err = inspect.Content(data); err != nil {
		return answer{}
	}
	return got
}
