package stripe_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"ticketing/pkg/event"
)

// server is a Stripe with one account, and with faults.
type server struct {
	*httptest.Server
	t *testing.T

	mu      sync.Mutex
	keys    map[string]*answer // by idempotency key
	intents map[string]*intent
	refunds string       // the status of a refund
	fault   func() fault // decides on each request
}

// fault is what goes wrong with a request.
type fault int

const (
	none       fault = iota
	lost             // it does not come
	unanswered       // the answer does not come
	refused          // 500, and nothing is done
	failed           // 500, though it is done: Stripe repeats that under the same key
	html             // something in between answers, though it is done
	empty
	null
	intercepted // the same, and nothing is done
	faults
)

type answer struct {
	status int
	body   []byte
}

// intent is a PaymentIntent.
type intent struct {
	ID       string            `json:"id"`
	Object   string            `json:"object"`
	Amount   int64             `json:"amount"`
	Status   string            `json:"status"`
	Metadata map[string]string `json:"metadata"`
	Charge   *charge           `json:"latest_charge"`
	Error    *refusal          `json:"last_payment_error"`
	charges  int
}

type charge struct {
	ID       string `json:"id"`
	Refunded bool   `json:"refunded"`
}

type refusal struct {
	Type    string `json:"type"`
	Code    string `json:"code"`
	Param   string `json:"param,omitempty"`
	Message string `json:"message"`
}

func newServer(t *testing.T) *server {
	s := &server{t: t, keys: map[string]*answer{}, intents: map[string]*intent{}, refunds: "succeeded"}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP answers a request as Stripe does, unless there is a fault.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		s.t.Error(err)
	}
	w.Header().Set("Content-Type", "application/json")
	fault := s.nextFault()
	switch fault {
	case lost:
		panic(http.ErrAbortHandler)
	case refused:
		w.WriteHeader(serverError.status)
		_, _ = w.Write(serverError.body)
		return
	case intercepted:
		_, _ = w.Write([]byte("{}"))
		return
	}
	s.mu.Lock()
	key := r.Header.Get("Idempotency-Key")
	done := s.keys[key]
	if done == nil || key == "" {
		status, body := s.do(r)
		data, err := json.Marshal(body)
		if err != nil {
			s.t.Error(err)
		}
		done = &answer{status, data}
		if fault == failed {
			done = serverError
		}
		s.keys[key] = done
	}
	s.mu.Unlock()
	body := done.body
	switch fault {
	case unanswered:
		panic(http.ErrAbortHandler)
	case html:
		body = []byte("<html>please log in</html>")
	case empty:
		body = []byte("{}")
	case null:
		body = []byte("null")
	}
	w.WriteHeader(done.status)
	_, _ = w.Write(body)
}

var serverError = &answer{500, []byte(`{"error":{"type":"api_error","message":"something went wrong"}}`)}

func (s *server) nextFault() fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault == nil {
		return none
	}
	return s.fault()
}

// heal ends all faults, and lets the day pass for which a 500 is repeated.
func (s *server) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = nil
	maps.DeleteFunc(s.keys, func(_ string, a *answer) bool { return a == serverError })
}

func (s *server) do(r *http.Request) (status int, body any) {
	path := strings.Split(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
	if r.Header.Get("Authorization") != "Bearer sk_test_1" {
		return 401, map[string]refusal{"error": {Type: "invalid_request_error", Message: "no such key"}}
	}
	if path[0] == "payment_methods" {
		token := r.PostFormValue("card[token]")
		if r.PostFormValue("type") != "card" || token != "tok_visa" && token != "tok_chargeDeclined" {
			return 400, map[string]refusal{"error": {Type: "invalid_request_error", Code: "resource_missing", Param: "card[token]", Message: "no such token"}}
		}
		return 200, map[string]string{"id": "pm_" + token, "object": "payment_method"}
	}
	if path[0] == "refunds" {
		return s.refund(s.intents[r.PostFormValue("payment_intent")])
	}
	if len(path) == 1 {
		i := &intent{ID: fmt.Sprint("pi_", len(s.intents)+1), Object: "payment_intent", Status: "requires_payment_method",
			Metadata: map[string]string{"order": r.PostFormValue("metadata[order]")}}
		if _, err := fmt.Sscan(r.PostFormValue("amount"), &i.Amount); err != nil || r.PostFormValue("currency") != "usd" {
			s.t.Errorf("create: %v", r.PostForm)
		}
		s.intents[i.ID] = i
		return 200, *i
	}
	i := s.intents[path[1]]
	switch {
	case i == nil:
		return 404, map[string]refusal{"error": {Type: "invalid_request_error", Code: "resource_missing", Message: "no such intent"}}
	case len(path) == 2:
		return 200, *i
	case i.Status == "succeeded" || i.Status == "canceled":
		return 400, map[string]refusal{"error": {Type: "invalid_request_error", Code: "payment_intent_unexpected_state", Message: "it is " + i.Status}}
	case path[2] == "cancel":
		i.Status = "canceled"
		return 200, *i
	}
	return s.confirm(i, r.PostFormValue("payment_method"))
}

func (s *server) confirm(i *intent, card string) (status int, body any) {
	switch card {
	case "pm_tok_visa", "pm_card_visa":
		i.Status, i.Charge, i.Error = "succeeded", &charge{ID: "ch_" + i.ID}, nil
		i.charges++
		return 200, *i
	case "pm_tok_chargeDeclined":
		i.Error = &refusal{Type: "card_error", Code: "card_declined", Message: "Your card was declined."}
		return 402, map[string]refusal{"error": *i.Error}
	}
	return 400, map[string]refusal{"error": {Type: "invalid_request_error", Code: "resource_missing", Param: "payment_method", Message: "no such method"}}
}

func (s *server) refund(i *intent) (status int, body any) {
	if i.Charge == nil || i.Charge.Refunded {
		return 400, map[string]refusal{"error": {Type: "invalid_request_error", Code: "charge_already_refunded", Message: "it is refunded"}}
	}
	i.Charge = &charge{ID: i.Charge.ID, Refunded: true}
	return 200, map[string]string{"id": "re_" + i.ID, "object": "refund", "status": s.refunds}
}

// books returns what an order has paid and how often.
func (s *server) books(order event.ID) (balance event.Price, charges int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.intents {
		if i.Metadata["order"] != string(order) || i.Charge == nil {
			continue
		}
		charges += i.charges
		if !i.Charge.Refunded {
			balance += event.Price(i.Amount)
		}
	}
	return balance, charges
}
