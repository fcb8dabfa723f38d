// Package stripe moves money by Stripe: one PaymentIntent for each order.
//
//	Charge  ──> create, under the order's id as idempotency key ──> confirm with the card
//	Ask     ──> create, under the same key: it returns the one there is ──> retrieve
//	Release ──> the same ──> refund, under a key of its own, or cancel
//
// A PaymentIntent succeeds at most once, so an order is charged at most once, however often it is confirmed. Stripe keeps
// idempotency keys for a day at least, also if it has answered 500: then the outcome stays unknown for that day. After
// that a PaymentIntent is found by the id of its charge, which is its own.
package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	driver "github.com/stripe/stripe-go/v85"

	"ticketing/pkg/event"
	"ticketing/pkg/payment"
)

// Name is the adapter's.
const Name = "stripe"

// Config is an account at Stripe.
type Config struct {
	// SecretKey is "sk_..." or a restricted key. PublishableKey, "pk_...", is for the page.
	SecretKey      string `envconfig:"STRIPE_KEY"`
	PublishableKey string `envconfig:"STRIPE_PUBLISHABLE_KEY"`
	// WebhookSecret is "whsec_...", with which Stripe signs what it reports; empty for none.
	WebhookSecret string `envconfig:"STRIPE_WEBHOOK_SECRET"`
	// URL is for tests; empty for Stripe's own.
	URL string `ignored:"true"`
	// Client is for tests; nil for one of its own.
	Client *http.Client `ignored:"true"`
}

// Check returns an error that names the variable that is missing.
func (c Config) Check() error {
	switch {
	case c.SecretKey == "":
		return errors.New("STRIPE_KEY is required")
	case c.PublishableKey == "":
		return errors.New("STRIPE_PUBLISHABLE_KEY is required")
	}
	return nil
}

// errNonsense is an answer that Stripe does not give: something in between has made it up. It decides nothing.
var errNonsense = errors.New("the answer makes no sense")

var _ payment.Provider = (*Provider)(nil)

// Provider implements payment.Provider.
type Provider struct {
	cfg    Config
	client *driver.Client
}

// New returns a provider for an account. It sends nothing.
func New(cfg Config) *Provider {
	backend := &driver.BackendConfig{
		HTTPClient: cfg.Client, MaxNetworkRetries: driver.Int64(0), // the caller asks, and repeats, by itself
		LeveledLogger: &driver.LeveledLogger{Level: driver.LevelNull},
	}
	if cfg.URL != "" {
		backend.URL = driver.String(cfg.URL)
	}
	return &Provider{cfg, driver.NewClient(cfg.SecretKey, driver.WithBackends(driver.NewBackendsWithConfig(backend)))}
}

// Public implements payment.Provider.
func (p *Provider) Public() payment.Public {
	return payment.Public{Provider: Name, PublishableKey: p.cfg.PublishableKey}
}

// Charge implements payment.Provider. A token is a PaymentMethod, "pm_...", or a card token, "tok_...".
func (p *Provider) Charge(ctx context.Context, order payment.Order, token string) (payment.Outcome, error) {
	intent, err := p.intent(ctx, order)
	if reason, refused := reasonOf(err); refused {
		return payment.Outcome{Reason: reason}, nil
	}
	if err != nil {
		return payment.Outcome{}, err
	}
	if outcome, over := outcomeOf(intent); over {
		return outcome, nil
	}
	method, err := p.method(ctx, token)
	if reason, refused := reasonOf(err); refused {
		return payment.Outcome{Reason: reason}, nil
	}
	if err != nil {
		return payment.Outcome{}, err
	}
	params := &driver.PaymentIntentConfirmParams{PaymentMethod: driver.String(method)}
	params.AddExpand("latest_charge")
	confirmed, err := p.client.V1PaymentIntents.Confirm(ctx, intent.ID, params)
	if reason, refused := reasonOf(err); refused {
		return payment.Outcome{Reason: reason}, nil
	}
	if isState(err) { // another attempt was quicker, or it was released
		return p.Ask(ctx, order)
	}
	if err != nil {
		return payment.Outcome{}, fmt.Errorf("confirm the payment of order %s: %w", order.ID, err)
	}
	return settled(confirmed)
}

// Ask implements payment.Provider.
func (p *Provider) Ask(ctx context.Context, order payment.Order) (payment.Outcome, error) {
	intent, err := p.intent(ctx, order)
	if reason, refused := reasonOf(err); refused {
		return payment.Outcome{Reason: reason}, nil
	}
	if err != nil {
		return payment.Outcome{}, err
	}
	if intent.Status == driver.PaymentIntentStatusProcessing {
		return payment.Outcome{}, fmt.Errorf("the payment of order %s is processing", order.ID)
	}
	outcome, _ := outcomeOf(intent)
	return outcome, nil
}

// Release implements payment.Provider.
func (p *Provider) Release(ctx context.Context, order payment.Order) (refunded bool, err error) {
	intent, err := p.intent(ctx, order)
	if _, refused := reasonOf(err); refused { // such an amount cannot be charged
		return false, nil
	}
	if err != nil {
		return false, err
	}
	switch intent.Status {
	case driver.PaymentIntentStatusCanceled:
		return false, nil
	case driver.PaymentIntentStatusSucceeded:
		return p.refund(ctx, order, intent)
	}
	canceled, err := p.client.V1PaymentIntents.Cancel(ctx, intent.ID, &driver.PaymentIntentCancelParams{})
	if err == nil && canceled.ID != intent.ID {
		err = errNonsense
	}
	if err != nil { // it may succeed this very moment: the next look refunds it then
		return false, fmt.Errorf("cancel the payment of order %s: %w", order.ID, err)
	}
	return false, nil
}

func (p *Provider) refund(ctx context.Context, order payment.Order, intent *driver.PaymentIntent) (bool, error) {
	params := &driver.RefundCreateParams{PaymentIntent: driver.String(intent.ID)}
	params.SetIdempotencyKey("refund-" + string(order.ID))
	refund, err := p.client.V1Refunds.Create(ctx, params)
	switch {
	case err != nil:
	case refund.ID == "":
		err = errNonsense
	case refund.Status == driver.RefundStatusFailed || refund.Status == driver.RefundStatusCanceled:
		err = fmt.Errorf("the refund is %s: somebody has to return the money by hand", refund.Status)
	}
	var refused *driver.Error
	if errors.As(err, &refused) && refused.Code == driver.ErrorCodeChargeAlreadyRefunded {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("refund order %s: %w", order.ID, err)
	}
	return true, nil
}

// intent returns the order's PaymentIntent as it stands, and creates it if there is none.
func (p *Provider) intent(ctx context.Context, order payment.Order) (*driver.PaymentIntent, error) {
	id := order.ChargeID
	if id == "" {
		params := &driver.PaymentIntentCreateParams{
			Amount: driver.Int64(int64(order.Amount)), Currency: driver.String(payment.Currency),
			AutomaticPaymentMethods: &driver.PaymentIntentCreateAutomaticPaymentMethodsParams{
				Enabled: driver.Bool(true), AllowRedirects: driver.String("never"),
			},
			Metadata: map[string]string{"order": string(order.ID)},
		}
		params.SetIdempotencyKey(string(order.ID))
		created, err := p.client.V1PaymentIntents.Create(ctx, params) // repeated, it answers as it did at first
		if err == nil && created.ID == "" {
			err = errNonsense
		}
		if err != nil {
			return nil, fmt.Errorf("create the payment of order %s: %w", order.ID, err)
		}
		id = created.ID
	}
	params := &driver.PaymentIntentRetrieveParams{}
	params.AddExpand("latest_charge")
	intent, err := p.client.V1PaymentIntents.Retrieve(ctx, id, params)
	if err == nil && intent.ID != id {
		err = errNonsense
	}
	if err != nil {
		return nil, fmt.Errorf("read the payment of order %s: %w", order.ID, err)
	}
	return intent, nil
}

// method returns the PaymentMethod that a token stands for.
func (p *Provider) method(ctx context.Context, token string) (id string, err error) {
	if strings.HasPrefix(token, "pm_") {
		return token, nil
	}
	method, err := p.client.V1PaymentMethods.Create(ctx, &driver.PaymentMethodCreateParams{
		Type: driver.String("card"), Card: &driver.PaymentMethodCreateCardParams{Token: driver.String(token)},
	})
	if err == nil && method.ID == "" {
		err = errNonsense
	}
	if err != nil {
		return "", fmt.Errorf("read the card: %w", err)
	}
	return method.ID, nil
}

// settled is the outcome of an attempt that was answered. One that is still processing has none yet.
func settled(intent *driver.PaymentIntent) (payment.Outcome, error) {
	switch outcome, over := outcomeOf(intent); {
	case over:
		return outcome, nil
	case intent.Status == driver.PaymentIntentStatusRequiresAction:
		return payment.Outcome{Reason: "the bank wants to ask the cardholder, which is not possible here"}, nil
	case intent.Status == driver.PaymentIntentStatusRequiresPaymentMethod && outcome.Reason != "":
		return outcome, nil
	}
	return payment.Outcome{}, fmt.Errorf("payment %s is %s", intent.ID, intent.Status)
}

// outcomeOf is what a PaymentIntent says; over reports that no attempt can change that.
func outcomeOf(intent *driver.PaymentIntent) (outcome payment.Outcome, over bool) {
	switch intent.Status {
	case driver.PaymentIntentStatusSucceeded:
		if charge := intent.LatestCharge; charge != nil && charge.Refunded {
			return payment.Outcome{Reason: "the money was returned"}, true
		}
		return payment.Outcome{ChargeID: intent.ID}, true
	case driver.PaymentIntentStatusCanceled:
		return payment.Outcome{Reason: "the order is over"}, true
	}
	if last := intent.LastPaymentError; last != nil {
		outcome.Reason = last.Msg
	}
	return outcome, false
}

// reasonOf returns why an attempt was refused for good, in words for the buyer: the card, or what was said of it.
func reasonOf(err error) (reason string, refused bool) {
	var said *driver.Error
	switch {
	case !errors.As(err, &said) || isState(err):
		return "", false
	case said.Type == driver.ErrorTypeCard:
		return said.Msg, true
	case said.Type == driver.ErrorTypeInvalidRequest && (strings.HasPrefix(said.Param, "card") || strings.HasPrefix(said.Param, "payment_method")):
		return "there is no such card", true
	case said.Type == driver.ErrorTypeInvalidRequest && said.Param == "amount":
		return "this price cannot be paid by card", true
	}
	return "", false
}

// isState reports that a PaymentIntent is in a state in which it cannot do what was asked.
func isState(err error) bool {
	var said *driver.Error
	return errors.As(err, &said) && said.Code == driver.ErrorCodePaymentIntentUnexpectedState
}

// orderOf is the id in the metadata of a PaymentIntent.
func orderOf(metadata map[string]string) (event.ID, error) { return event.ParseID(metadata["order"]) }
