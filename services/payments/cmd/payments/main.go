// Command payments runs one instance of the payments service, configured by the environment.
package main

import (
	"context"

	"ticketing/pkg/payment"
	"ticketing/pkg/payment/testcards"
	"ticketing/pkg/service"
	"ticketing/services/payments"
)

func main() { service.Main(payments.Name, payments.New(openProvider)) }

func openProvider(ctx context.Context, s *service.Service) (payment.Provider, error) {
	s.Log.Warn("no money is moved: payments are made with test cards")
	return testcards.Open(ctx, s.Store)
}
