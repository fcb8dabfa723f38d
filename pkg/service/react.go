package service

import (
	"context"

	"ticketing/pkg/event"
	"ticketing/pkg/outbox"
	"ticketing/pkg/replica"
)

// Reaction is what an event does to an entity of the service's own: it names the entity and the rule to apply to it. It
// is pure. The rule gets the entity as it is, at event.None if it is missing, makes it agree with the followed entity as
// the turn has it, and returns outbox.ErrNoChange if it does: reactions are repeated (replica.Reactor). An error other
// than outbox.ErrSilent refuses the event: it counts as an attempt, and the event is parked at the limit, or at once if
// the error is replica.Hopeless.
type Reaction[T, O any] func(turn replica.Turn[T]) (own event.ID, rule func(outbox.Entity[O]) (O, error))

// React follows another service's entities, as Follow does, and changes own ones because of their events: those of a
// batch of events together, with one write, before the replicas advance.
func React[T, O any](ctx context.Context, s *Service, kind replica.Kind[T], own *outbox.Entities[O], react Reaction[T, O]) (*replica.Replica[T], error) {
	kind.React = reactor[T, O]{own, react}
	return Follow(ctx, s, kind)
}

type reactor[T, O any] struct {
	own   *outbox.Entities[O]
	react Reaction[T, O]
}

// React implements replica.Reactor.
func (r reactor[T, O]) React(ctx context.Context, turns []replica.Turn[T]) (refused map[int]error, err error) {
	reactions := make([]outbox.Reaction[O], len(turns))
	for i, turn := range turns {
		id, rule := r.react(turn)
		reactions[i] = outbox.Reaction[O]{ID: id, Rule: rule, Source: turn.ID}
	}
	return r.own.React(ctx, reactions)
}
