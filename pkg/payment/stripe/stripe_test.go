package stripe_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stripe/stripe-go/v85/webhook"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"ticketing/pkg/event"
	"ticketing/pkg/payment"
	"ticketing/pkg/payment/paymenttest"
	"ticketing/pkg/payment/stripe"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, s *server) *stripe.Provider {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return stripe.New(stripe.Config{SecretKey: "sk_test_1", PublishableKey: "pk_test_1", WebhookSecret: "whsec_1",
		URL: s.URL, Client: &http.Client{Transport: transport}})
}

func TestConformance(t *testing.T) {
	paymenttest.Run(t, func(t *testing.T) paymenttest.Setup {
		s := newServer(t)
		return paymenttest.Setup{
			Provider: open(t, s), Pays: "tok_visa", Declines: "tok_chargeDeclined", Unknown: "tok_nobody",
			Books: func(_ *testing.T, order event.ID) (event.Price, int) { return s.books(order) },
		}
	})
}

// Any request may fail in any way, and the caller asks or repeats: an order is charged once at most, and what was charged
// is found or returned. Nobody is told of a charge, or of a decline, that there was not.
func TestFaultsAtAnyRequest(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := newServer(t)
		p := open(t, s)
		drawn := rapid.SliceOfN(rapid.Map(rapid.IntRange(-int(faults), int(faults)-1), func(n int) fault { return fault(max(n, 0)) }), 40, 40).Draw(r, "faults")
		s.fault = func() fault {
			if len(drawn) == 0 {
				return none
			}
			next := drawn[0]
			drawn = drawn[1:]
			return next
		}
		order := payment.Order{ID: event.NewID(time.Now()), Amount: 7840}
		said := func(outcome payment.Outcome, err error) { s.checkOutcome(r, order, outcome, err) }
		for _, step := range rapid.SliceOfN(rapid.SampledFrom([]string{"charge", "decline", "ask", "release"}), 1, 8).Draw(r, "steps") {
			switch step {
			case "charge":
				said(p.Charge(t.Context(), order, "tok_visa"))
			case "decline":
				said(p.Charge(t.Context(), order, "tok_chargeDeclined"))
			case "ask":
				said(p.Ask(t.Context(), order))
			case "release":
				refunded, err := p.Release(t.Context(), order)
				s.checkRelease(r, order, refunded, err)
			}
		}
		s.heal()
		outcome, err := p.Ask(t.Context(), order)
		balance, charges := s.books(order.ID)
		if err != nil || charges > 1 || outcome.Charged() != (balance == 7840) {
			r.Fatalf("%+v, %v; %d charges, balance %d", outcome, err, charges, balance)
		}
		refunded, err := p.Release(t.Context(), order)
		if err != nil {
			r.Fatal(err)
		}
		s.checkRelease(r, order, refunded, err)
	})
}

// Every fault at each request of a charge and its return.
func TestOneFault(t *testing.T) {
	for f := lost; f < faults; f++ {
		for at := range 10 {
			s := newServer(t)
			p := open(t, s)
			order := payment.Order{ID: event.NewID(time.Now()), Amount: 7840}
			requests := 0
			s.fault = func() fault {
				if requests++; requests == at+1 {
					return f
				}
				return none
			}
			outcome, err := p.Charge(t.Context(), order, "tok_visa")
			s.checkOutcome(t, order, outcome, err)
			refunded, err := p.Release(t.Context(), order)
			s.checkRelease(t, order, refunded, err)
			s.heal()
			if refunded, err = p.Release(t.Context(), order); err != nil {
				t.Errorf("fault %d at request %d: %v", f, at, err)
			}
			s.checkRelease(t, order, refunded, err)
		}
	}
}

// fataler is a test, or the part of one that rapid has drawn.
type fataler interface {
	Fatalf(format string, args ...any)
}

// checkOutcome fails the test if an outcome says what the books do not.
func (s *server) checkOutcome(t fataler, order payment.Order, outcome payment.Outcome, err error) {
	if balance, _ := s.books(order.ID); err == nil && outcome.Charged() != (balance == order.Amount) {
		t.Fatalf("said %+v at a balance of %d", outcome, balance)
	}
}

// checkRelease fails the test if an order is released of which something is kept, or is said to be refunded wrongly.
func (s *server) checkRelease(t fataler, order payment.Order, refunded bool, err error) {
	if balance, charges := s.books(order.ID); err == nil && (balance != 0 || refunded != (charges == 1)) {
		t.Fatalf("refunded: %t at %d charges and a balance of %d", refunded, charges, balance)
	}
}

// A charge whose idempotency key is forgotten is found by its id.
func TestAnOldChargeIsReturned(t *testing.T) {
	s := newServer(t)
	p := open(t, s)
	order := payment.Order{ID: event.NewID(time.Now()), Amount: 29}
	outcome, err := p.Charge(t.Context(), order, "pm_card_visa")
	if err != nil || !outcome.Charged() {
		t.Fatalf("%+v, %v", outcome, err)
	}
	s.mu.Lock()
	clear(s.keys)
	s.mu.Unlock()
	order.ChargeID = outcome.ChargeID
	if refunded, err := p.Release(t.Context(), order); err != nil || !refunded {
		t.Errorf("refunded %t, %v", refunded, err)
	}
	if balance, charges := s.books(order.ID); balance != 0 || charges != 1 {
		t.Errorf("%d charges, balance %d", charges, balance)
	}
}

// Nobody says that money was returned which was not.
func TestARefundThatFails(t *testing.T) {
	for _, status := range []string{"failed", "canceled"} {
		s := newServer(t)
		p := open(t, s)
		order := payment.Order{ID: event.NewID(time.Now()), Amount: 29}
		if _, err := p.Charge(t.Context(), order, "tok_visa"); err != nil {
			t.Fatal(err)
		}
		s.refunds = status
		if refunded, err := p.Release(t.Context(), order); refunded || err == nil {
			t.Errorf("a refund that is %s: refunded %t, %v", status, refunded, err)
		}
	}
}

// A wrong key is our own fault, and no decision about the card.
func TestAWrongKeyIsNoOutcome(t *testing.T) {
	s := newServer(t)
	p := stripe.New(stripe.Config{SecretKey: "sk_test_2", URL: s.URL, Client: s.Client()})
	outcome, err := p.Charge(t.Context(), payment.Order{ID: event.NewID(time.Now()), Amount: 29}, "tok_visa")
	if err == nil || outcome != (payment.Outcome{}) {
		t.Errorf("%+v, %v", outcome, err)
	}
}

func TestReports(t *testing.T) {
	p := open(t, newServer(t))
	const order = event.ID("65a1b2c3d4e5f60718293aff")
	report := func(object string) []byte {
		return fmt.Appendf(nil, `{"id":"evt_1","object":"event","api_version":"2020-01-01","type":"payment_intent.succeeded","data":{"object":%s}}`, object)
	}
	ours := report(fmt.Sprintf(`{"id":"pi_1","object":"payment_intent","metadata":{"order":%q}}`, order))
	for _, tt := range []struct {
		name   string
		body   []byte
		secret string
		want   error
	}{
		{"of an order", ours, "whsec_1", nil},
		{"with another secret", ours, "whsec_2", stripe.ErrNotSigned},
		{"of something else", report(`{"id":"cus_1","object":"customer"}`), "whsec_1", stripe.ErrOfNoOrder},
		{"of no sense", report(`"x"`), "whsec_1", stripe.ErrNotSigned},
		{"of an order of another kind", report(`{"id":"pi_1","metadata":{"order":"x"}}`), "whsec_1", stripe.ErrOfNoOrder},
	} {
		signed := webhook.GenerateTestSignedPayload(&webhook.UnsignedPayload{Payload: tt.body, Secret: tt.secret})
		header := http.Header{"Stripe-Signature": {signed.Header}}
		got, err := p.Hear(header, tt.body)
		if !errors.Is(err, tt.want) || tt.want == nil && got != order {
			t.Errorf("%s: %s, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	for _, header := range []string{"", "t=1,v1=00", strings.Repeat("x", 100)} {
		if _, err := p.Hear(http.Header{"Stripe-Signature": {header}}, ours); !errors.Is(err, stripe.ErrNotSigned) {
			t.Errorf("signed with %q: %v", header, err)
		}
	}
}

func TestAnAccountNeedsItsKeys(t *testing.T) {
	if err := (stripe.Config{SecretKey: "sk_1", PublishableKey: "pk_1"}).Check(); err != nil {
		t.Error(err)
	}
	for variable, cfg := range map[string]stripe.Config{"STRIPE_KEY": {PublishableKey: "pk_1"}, "STRIPE_PUBLISHABLE_KEY": {SecretKey: "sk_1"}} {
		if err := cfg.Check(); err == nil || !strings.Contains(err.Error(), variable) {
			t.Errorf("without %s: %v", variable, err)
		}
	}
}
