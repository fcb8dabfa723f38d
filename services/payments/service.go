// Package payments is the service that takes money for orders, at most once for each, and returns it if the order is
// cancelled. How an attempt, a crash and a cancellation meet is in payment.go.
//
//	POST ──> http.go ──> cashier.go ──> payment.go (rules) ──> store ──> relay ──> payment:created
//	                        │  ^
//	                        │  └── resolver.go: what is open
//	                        └────> provider (package payment)
//	order:created, :cancelled, :completed, payment:created ──> follow.go ──> payment.go (rules)
package payments

import (
	"context"
	"fmt"
	"time"

	"ticketing/pkg/payment"
	"ticketing/pkg/replica"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// Name is the service's.
const Name = "payments"

// Collection is the collection of its payments.
const Collection = "payments"

// DefaultPatience is the Patience of a program that does not set another.
const DefaultPatience = 3 * time.Second

// Config is the service's own configuration.
type Config struct {
	// Patience is how long an answer of the payment provider is waited for. Default 3 s, at most 4 s: a request takes
	// twice as long at most, and must end within the 8 s in which the service shuts down.
	Patience time.Duration `envconfig:"PAYMENT_PATIENCE" default:"3s"`
}

// Check reports a patience that is out of its range.
func (c Config) Check() error {
	if c.Patience <= 0 || c.Patience > 4*time.Second {
		return fmt.Errorf("PAYMENT_PATIENCE: must be longer than 0 and at most 4s, not %v", c.Patience)
	}
	return nil
}

// api answers the requests of the service.
type api struct {
	*service.Service
	*cashier
	orders *replica.Replica[Order]
}

// New returns the service's service.Build, with the provider that open opens.
func New(open func(context.Context, *service.Service) (payment.Provider, error)) service.Build[Config] {
	return func(ctx context.Context, s *service.Service, cfg Config) error {
		provider, err := open(ctx, s)
		if err != nil {
			return err
		}
		spec := store.Spec{Name: Collection, Indexes: []string{openIndex}}
		payments, err := service.Own(ctx, s, spec, kind())
		if err != nil {
			return err
		}
		orders, err := service.React(ctx, s, orderKind(), payments, followOrder)
		if err != nil {
			return err
		}
		if _, err := service.React(ctx, s, paymentKind(), payments, followPayment); err != nil {
			return err
		}
		c := &cashier{payments: payments, provider: provider, patience: cfg.Patience, now: s.Now, log: s.Log}
		s.Background(resolver{c}.run)
		s.Routes((&api{s, c, orders}).routes())
		return nil
	}
}
