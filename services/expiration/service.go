// Package expiration is the service that ends the time of orders: it follows orders, keeps a deadline for each, and says
// so on the bus when one is over. What becomes of the order is the orders service's decision.
//
//	order:created, order:cancelled, order:completed ──> order.go (rule) ──> store, by time
//	                                                                          │ the earliest
//	                                                     clock.go <───────────┘
//	                                                       └──> store ──> relay ──> expiration:complete
package expiration

import (
	"context"

	"ticketing/pkg/service"
	"ticketing/pkg/store"
)

// Name is the service's.
const Name = "expiration"

// Collection is the collection of its deadlines.
const Collection = "deadlines"

// Config is the service's own configuration. There is none yet.
type Config struct{}

// New is the service's service.Build.
func New(ctx context.Context, s *service.Service, _ Config) error {
	deadlines, err := service.Own(ctx, s, store.Spec{Name: Collection, Indexes: []string{pendingIndex}}, kind())
	if err != nil {
		return err
	}
	if _, err := service.React(ctx, s, orderKind(), deadlines, follow); err != nil {
		return err
	}
	s.Background((&clock{deadlines: deadlines, now: s.Now, log: s.Log}).run)
	return nil
}
