package stripe

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	driver "github.com/stripe/stripe-go/v85"
	"github.com/stripe/stripe-go/v85/webhook"

	"ticketing/pkg/event"
)

// ErrNotSigned is returned for a report that Stripe has not signed.
var ErrNotSigned = errors.New("the report is not signed by Stripe")

// ErrOfNoOrder is returned for a report about something else than an order's payment.
var ErrOfNoOrder = errors.New("the report is about no order")

// Hear reads what Stripe reports on its own, and returns the order that it is about. What it says of it is not taken for
// true: reports come repeatedly, and in any order. It returns ErrNotSigned, also for what cannot be read, or
// ErrOfNoOrder.
func (p *Provider) Hear(header http.Header, body []byte) (event.ID, error) {
	if p.cfg.WebhookSecret == "" {
		return "", ErrNotSigned
	}
	report, err := webhook.ConstructEventWithOptions(body, header.Get("Stripe-Signature"), p.cfg.WebhookSecret,
		webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true})
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrNotSigned, err)
	}
	var intent driver.PaymentIntent
	if report.Data == nil || json.Unmarshal(report.Data.Raw, &intent) != nil {
		return "", ErrOfNoOrder
	}
	order, err := orderOf(intent.Metadata)
	if err != nil {
		return "", ErrOfNoOrder
	}
	return order, nil
}
