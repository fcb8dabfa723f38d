package service

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/httpapi"
	"ticketing/pkg/oncall"
	"ticketing/pkg/telemetry"
)

// Checks are what the service needs to be ready. A bus that is lost later only degrades it: reads go on, and so do
// writes, into the outbox.
func (s *Service) Checks() []httpapi.Check {
	var checks []httpapi.Check
	if s.Store != nil {
		checks = append(checks, httpapi.Check{Name: "store", Check: s.Store.Ping})
	}
	if s.Bus != nil {
		checks = append(checks, httpapi.Check{Name: "bus", Effect: httpapi.UnreadyAtStart, Check: s.checkBus})
	}
	for _, f := range s.followed {
		checks = append(checks, httpapi.Check{
			Name: f.Name() + "s", Effect: httpapi.UnreadyAtStart, Check: func(context.Context) error { return f.ready() },
		})
	}
	if s.desk != nil {
		checks = append(checks,
			httpapi.Check{Name: "gaps", Effect: httpapi.Degraded, Check: s.desk.CheckGaps},
			httpapi.Check{Name: "retention", Effect: httpapi.Degraded, Check: s.checkLoss})
	}
	if s.brokerLog != nil {
		checks = append(checks, s.brokerLog.Checks()...)
	}
	return checks
}

func (s *Service) checkBus(context.Context) error { return s.Bus.Health().Err() }

// checkLoss returns what the broker has removed before it came here, of all kinds.
func (s *Service) checkLoss(ctx context.Context) error {
	var losses []error
	for _, f := range s.followed {
		losses = append(losses, f.checkLoss(ctx))
	}
	return errors.Join(losses...)
}

// AwaitReady waits until the service has all that it needs to be ready. An error names what is missing when ctx ends.
func (s *Service) AwaitReady(ctx context.Context) error {
	var missing error
	for {
		err := s.notReady(ctx)
		if err == nil {
			return nil
		}
		if missing == nil || ctx.Err() == nil { // else it says only that ctx has ended
			missing = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", s.Name, missing)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Service) notReady(ctx context.Context) error {
	for _, c := range s.Checks() {
		if c.Effect == httpapi.Degraded {
			continue
		}
		if err := c.Check(ctx); err != nil {
			return fmt.Errorf("%s: %w", c.Name, err)
		}
	}
	return nil
}

// newAdmin makes the routes of the admin listener.
func (s *Service) newAdmin() chi.Router {
	admin := httpapi.Admin(s.Checks()...)
	metrics := telemetry.Metrics{Group: Group(s.Name), Log: s.brokerLog}
	if s.Bus != nil {
		metrics.Bus = s.Bus
	}
	if len(s.relays) > 0 {
		metrics.Outbox = s.backlog
	}
	if s.desk != nil {
		metrics.Replicas = s.desk
		s.desk.Routes(admin)
	}
	admin.Handle("/metrics", metrics.Handler())
	for _, add := range s.adminRoutes {
		add(admin)
	}
	return admin
}

// newDesk returns what answers for the kinds that the service follows; nil if it follows none.
func (s *Service) newDesk() *oncall.Desk {
	if len(s.followed) == 0 {
		return nil
	}
	desk := &oncall.Desk{Log: s.Log, Now: s.Now}
	for _, f := range s.followed {
		desk.Kinds = append(desk.Kinds, f.Kind)
	}
	return desk
}

// backlog returns how many events wait in memory to be published, and how often the worst relay has failed in a row.
func (s *Service) backlog() (waiting, failures int) {
	for _, relay := range s.relays {
		status := relay.Status()
		waiting += status.Waiting
		failures = max(failures, status.Failures)
	}
	return waiting, failures
}
