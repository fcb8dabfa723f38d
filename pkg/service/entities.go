package service

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ticketing/pkg/oncall"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
	"ticketing/pkg/store"
)

// errNoBus is returned for entities of a service off the bus.
var errNoBus = errors.New("the service has no bus")

// retryPause is how long work in the background waits after an error.
const retryPause = 5 * time.Second

// indexMarks is the collection that notes which indexes are complete.
const indexMarks = "index-marks"

// Own returns entities that the service owns. They are kept in the collection that spec describes. While the service
// runs, a relay publishes their events, and entities that an earlier release has stored without the indexes of spec are
// given them. Own returns store.ErrUnavailable if the store cannot be reached.
func Own[T any](ctx context.Context, s *Service, spec store.Spec, kind outbox.Kind[T]) (*outbox.Entities[T], error) {
	if s.Bus == nil {
		return nil, fmt.Errorf("own %s: %w", spec.Name, errNoBus)
	}
	records, err := s.Store.Collection(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", spec.Name, err)
	}
	config := s.Tuning.Relay
	config.Now = s.Now
	relay := outbox.NewRelay(records, s.Bus, config, s.Log)
	s.relays = append(s.relays, relay)
	own := outbox.NewEntities(kind, records, relay, s.Now)
	if len(spec.Indexes) > 0 {
		marks, err := s.Store.Collection(ctx, store.Spec{Name: indexMarks})
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", indexMarks, err)
		}
		name := spec.Name + "." + strings.Join(spec.Indexes, ".")
		s.Background(func(ctx context.Context) error {
			return s.retry(ctx, "index", func() error { return own.Reindex(ctx, marks, name) })
		})
	}
	return own, nil
}

// retry repeats work that has failed until it succeeds or ctx ends.
func (s *Service) retry(ctx context.Context, name string, work func() error) error {
	for {
		err := work()
		if err == nil || ctx.Err() != nil {
			return nil
		}
		s.Log.Warn("work in the background failed and is tried again", "work", name, "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
		}
	}
}

// Follow returns replicas of entities that another service owns. While the service runs, it is a member of its queue
// group on the kind's channels and applies their events. The service is not ready before it has joined and all of
// history is replayed. Follow returns store.ErrUnavailable if the store cannot be reached.
func Follow[T any](ctx context.Context, s *Service, kind replica.Kind[T]) (*replica.Replica[T], error) {
	if s.Bus == nil {
		return nil, fmt.Errorf("follow %s: %w", kind.Name, errNoBus)
	}
	config := s.Tuning.Replica
	config.Now = s.Now
	replicas, err := replica.Open(ctx, kind, s.Store, config, s.Log)
	if err != nil {
		return nil, err
	}
	consumerConfig := s.Tuning.Consumer
	consumerConfig.Group = Group(s.Name)
	consumer := replica.NewConsumer(replicas, s.Bus, consumerConfig, s.Log)
	s.followed = append(s.followed, followed{
		Kind: oncall.Kind{Replica: replicas, Rebuilder: consumer}, ready: consumer.Ready, checkLoss: replicas.CheckLoss,
	})
	s.Background(consumer.Run)
	return replicas, nil
}

// followed is a kind of entity that the service follows, whatever its state.
type followed struct {
	oncall.Kind
	ready     func() error
	checkLoss func(context.Context) error
}

// Replica returns the replicas of a kind, "ticket", as the people who run the service see them; nil if the service
// does not follow that kind.
func (s *Service) Replica(kind string) oncall.Replica {
	for _, f := range s.followed {
		if f.Name() == kind {
			return f.Replica
		}
	}
	return nil
}
