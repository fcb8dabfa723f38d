package stripe_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"ticketing/pkg/event"
	"ticketing/pkg/payment"
	"ticketing/pkg/payment/stripe"
)

// Stripe's own stand-in checks every parameter against its specification, and remembers nothing. `make test-stripe`
// starts it.
func TestParametersAreThoseOfTheSpecification(t *testing.T) {
	url := os.Getenv("STRIPE_MOCK_URL")
	if url == "" {
		t.Skip("STRIPE_MOCK_URL names no stripe-mock; make test-stripe starts one")
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	p := stripe.New(stripe.Config{SecretKey: "sk_test_123", URL: url, Client: &http.Client{Transport: transport}})
	order := payment.Order{ID: event.NewID(time.Now()), Amount: 7840}
	if outcome, err := p.Ask(t.Context(), order); err != nil || outcome.Charged() {
		t.Errorf("ask: %+v, %v", outcome, err)
	}
	for _, token := range []string{"tok_visa", "pm_card_visa"} { // its payments never go on
		if _, err := p.Charge(t.Context(), order, token); err == nil || !strings.Contains(err.Error(), "requires_payment_method") {
			t.Errorf("charge %s: %v", token, err)
		}
	}
	if refunded, err := p.Release(t.Context(), order); err != nil || refunded {
		t.Errorf("release: %t, %v", refunded, err)
	}
}
