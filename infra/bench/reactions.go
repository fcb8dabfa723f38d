package main

import (
	"context"
	"errors"
	"fmt"

	"ticketing/pkg/bus"
	"ticketing/pkg/service"
)

// reactions is how fast one instance of a service with an empty bolt store drains ticket:created and
// ticket:updated and reacts to them: each event changes one entity of its own, which publishes an event of that
// change. Events per second, from its start until every event is applied, durable and acked, and every event of
// its own is published and forgotten.
//
// The reference drains the same two channels as that of catchUp does: stan.go alone, no store, nothing published.
// So an event here is two records written, one event published and one outbox emptied, beside a read alone.
func reactions(s sizes) measurement {
	return measurement{
		name: "reactions",
		rows: metered(fmt.Sprintf("reactions to %s events of %s tickets", amount(s.reactions), amount(s.reactionTickets)), "event", ratioAtLeast(0.2)),
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			b, err := fillBacklog(ctx, env, s.reactions, s.reactionTickets)
			if err != nil {
				return nil, nil, err
			}
			return b.drainIntoTallies, b.drainRaw, nil
		},
	}
}

func (b *backlog) drainIntoTallies(ctx context.Context) (_ []float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	forgetter, err := b.env.connectRaw(&until)
	if err != nil {
		return nil, err
	}
	until.add(func() error { return b.forgetGroup(forgetter, service.Group(tallyName)) })
	db, err := b.env.database(&until, "tallies")
	if err != nil {
		return nil, err
	}
	conn, err := b.env.connect(ctx, &until, "tallies")
	if err != nil {
		return nil, err
	}
	before, err := conn.Channel(ctx, string(subjectTallied))
	if err != nil {
		return nil, err
	}
	left := newCountdown(b.lengths)
	watched := watchedBus{conn, func(m bus.Message) { left.count(m.Channel, m.Sequence) }}
	spent := startMeter()
	published, err := startTallies(ctx, b.env, &until, db, watched, b.events)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(left.wait(ctx), published.wait(ctx)); err != nil {
		return nil, err
	}
	numbers, err := spent.read(b.events)
	if err != nil {
		return nil, err
	}
	after, err := conn.Channel(ctx, string(subjectTallied))
	if err == nil && after.LastSeq-before.LastSeq < uint64(b.events) {
		err = fmt.Errorf("the broker has got %d events of %d reactions", after.LastSeq-before.LastSeq, b.events)
	}
	return numbers, err
}
