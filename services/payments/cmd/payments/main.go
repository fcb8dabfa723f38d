// Command payments runs one instance of the payments service, configured by the environment.
package main

import (
	"context"
	"fmt"

	"ticketing/pkg/payment"
	"ticketing/pkg/payment/stripe"
	"ticketing/pkg/payment/testcards"
	"ticketing/pkg/service"
	"ticketing/services/payments"
)

func main() { service.Main(payments.Name, build) }

// config is the service's own part of the environment, and who moves the money.
type config struct {
	payments.Config
	Provider string `envconfig:"PROVIDER" default:"test"`
	Stripe   stripe.Config
}

// Check reports a provider that there is not, or that lacks its account.
func (c config) Check() error {
	if err := c.Config.Check(); err != nil {
		return err
	}
	switch c.Provider {
	case testcards.Name:
		return nil
	case stripe.Name:
		return c.Stripe.Check()
	}
	return fmt.Errorf("PROVIDER: must be %s or %s, not %q", testcards.Name, stripe.Name, c.Provider)
}

// build is the service's service.Build.
func build(ctx context.Context, s *service.Service, cfg config) error {
	return payments.New(func(ctx context.Context, s *service.Service) (payment.Provider, error) {
		if cfg.Provider == stripe.Name {
			return stripe.New(cfg.Stripe), nil
		}
		s.Log.Warn("no money is moved: payments are made with test cards; PROVIDER names another provider")
		return testcards.Open(ctx, s.Store)
	})(ctx, s, cfg.Config)
}
