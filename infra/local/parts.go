package local

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"ticketing/pkg/payment"
	"ticketing/pkg/payment/testcards"
	"ticketing/pkg/service"
	"ticketing/services/auth"
	"ticketing/services/expiration"
	"ticketing/services/orders"
	"ticketing/services/payments"
	"ticketing/services/tickets"
	"ticketing/services/web"
)

// part is one service of the system.
type part struct {
	name string
	// path is the start of its public paths, as in infra/k8s; empty for a service without any.
	path string
	// members is how many instances it has; 0 stands for one.
	members int
	offBus  bool
	// offStore is for a service that keeps nothing.
	offStore bool
	open     func(context.Context, service.Deps) (*service.Service, error)
}

// parts is the system, service by service.
func (s *System) parts() []part {
	return slices.DeleteFunc([]part{
		{name: auth.Name, path: "/api/users", offBus: true,
			open: with(auth.New, auth.Config{Limits: s.cfg.Limits, PasswordCost: s.cfg.passwordCost})},
		{name: tickets.Name, path: "/api/tickets", open: with(tickets.New, tickets.Config{})},
		{name: orders.Name, path: "/api/orders", members: 2, open: with(orders.New, orders.Config{Window: s.cfg.OrderWindow})},
		{name: payments.Name, path: "/api/payments", open: with(payments.New(testProvider),
			payments.Config{Patience: cmp.Or(s.cfg.Patience, payments.DefaultPatience)})},
		{name: web.Name, path: "/", offBus: true, offStore: true, open: with(web.New, web.At(s.GatewayURL()))},
		{name: expiration.Name, open: with(expiration.New, expiration.Config{})},
	}, func(p part) bool { return slices.Contains(s.cfg.without, p.name) })
}

// testProvider is the payment provider of the system: no money is moved.
func testProvider(ctx context.Context, s *service.Service) (payment.Provider, error) {
	return testcards.Open(ctx, s.Store)
}

// with opens a service with its configuration.
func with[C any](build service.Build[C], cfg C) func(context.Context, service.Deps) (*service.Service, error) {
	return func(ctx context.Context, deps service.Deps) (*service.Service, error) {
		return service.Open(ctx, deps, build, cfg)
	}
}

// memberNames are the names of a service's instances: its own name, or that with numbers if it has several.
func (p part) memberNames() (names []string) {
	if p.members < 2 {
		return []string{p.name}
	}
	for i := range p.members {
		names = append(names, fmt.Sprintf("%s-%d", p.name, i+1))
	}
	return names
}
