package service_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ticketing/pkg/service"
)

func TestAServiceOffTheBusRunsUntilItIsToldToEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := deps(t, "demo")
		d.Bus = nil
		s := open(t, d, nothing)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("Run = %v before it was told to end", err)
		default:
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// A service that works in part looks healthy and is not: if one part fails, the process must end.
func TestWorkThatFailsEndsTheOtherWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		finished := false
		s := open(t, deps(t, "demo"), func(_ context.Context, s *service.Service, _ struct{}) error {
			s.Background(func(context.Context) error { return nil }) // work that is done ends nothing
			s.Background(func(ctx context.Context) error {
				<-ctx.Done()
				finished = true
				return nil
			})
			s.Background(func(context.Context) error {
				time.Sleep(time.Second)
				return broken
			})
			return nil
		})
		began := time.Now()
		if err := s.Run(t.Context()); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "run demo: ") {
			t.Errorf("Run = %v, want %v", err, broken)
		}
		if !finished || time.Since(began) != time.Second {
			t.Errorf("after %v the other work has ended: %t", time.Since(began), finished)
		}
	})
}

// What the work in the background writes while it finishes is published before the service ends.
func TestRelaysEndLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		owner := &owner{}
		s := open(t, deps(t, "demo"), func(ctx context.Context, s *service.Service, cfg struct{}) error {
			s.Background(func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				_, err := owner.tickets.Create(context.WithoutCancel(ctx), first, thing{Name: "last"})
				return err
			})
			return owner.build(ctx, s, cfg)
		})
		stop := start(t, s)
		synctest.Wait()
		stop()
		if channel, err := s.Bus.Channel(t.Context(), "ticket:made"); err != nil || channel.LastSeq != 1 {
			t.Errorf("the channel is %+v, %v, want one event", channel, err)
		}
	})
}
