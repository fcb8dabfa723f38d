package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// patience is how long one probe may take before it is stuck: an event must have been lost.
const patience = 5 * time.Minute

// sizes say how much is measured.
type sizes struct {
	events, tickets            int // catch-up; as many events for the memory of orders
	outbox, outboxTickets      int // publish
	reactions, reactionTickets int // reactions
	posts, clients             int // write path; as many clients on the read path
	reads                      int // read path
	samples                    int // 201 to visible
	swaps                      int // healing
	slow                       int // slow store: events
	// only with -full
	large, small int // cost, memory, start, expiry: tickets or deadlines in the stores; small for cost alone
	due          int // expiry: deadlines that fire
	changes      int // cost: events of them in each run
	writes       int // cost, memory: requests in each run
}

func (s sizes) check() error {
	for name, n := range map[string]int{
		"events": s.events, "tickets": s.tickets, "outbox": s.outbox, "outbox-tickets": s.outboxTickets,
		"reactions": s.reactions, "reaction-tickets": s.reactionTickets,
		"posts": s.posts, "clients": s.clients, "reads": s.reads, "samples": s.samples, "swaps": s.swaps, "slow": s.slow,
		"large": s.large, "small": s.small, "changes": s.changes, "writes": s.writes, "due": s.due,
	} {
		if n < 1 {
			return fmt.Errorf("-%s %d: must be at least 1", name, n)
		}
	}
	if s.events < s.tickets {
		return fmt.Errorf("-events %d: each of %d tickets has at least one", s.events, s.tickets)
	}
	if s.outbox < s.outboxTickets {
		return fmt.Errorf("-outbox %d: each of %d tickets has at least one event", s.outbox, s.outboxTickets)
	}
	if s.reactions < s.reactionTickets {
		return fmt.Errorf("-reactions %d: each of %d tickets has at least one event", s.reactions, s.reactionTickets)
	}
	return nil
}

// amount writes a number of things: 300, 50k, 1M.
func amount(n int) string {
	switch {
	case n >= 1_000_000 && n%1_000_000 == 0:
		return fmt.Sprintf("%dM", n/1_000_000)
	case n >= 1000 && n%1000 == 0:
		return fmt.Sprintf("%dk", n/1000)
	}
	return strconv.Itoa(n)
}

// probe measures once and returns one number for each row of its measurement.
type probe func(ctx context.Context) ([]float64, error)

// measurement is a value and the reference that it is compared with.
type measurement struct {
	name string
	// rows tell what the numbers of a probe are.
	rows []row
	// prepare does what is needed once, in an environment of the measurement's own.
	prepare func(ctx context.Context, env *environment) (value, reference probe, err error)
}

// measurements are those to choose from, in the order of the report.
func measurements(o options) []measurement {
	s := o.sizes
	all := []measurement{catchUp(s), twoMembers(s), reactions(s), publishing(s), writePath(s), bareWrite(s), readPath(s), visible(s), purchase(s), healing(s), slowStore(s), binary()}
	if o.full {
		all = append(all, costOfCatchUp(s), costOfWriting(s), memoryOfTickets(s), memoryOfOrders(s), starting(s), expiry(s))
	}
	return all
}

// take prepares a measurement, takes it runs times and returns its rows.
func take(ctx context.Context, m measurement, o options, stock *stock, log *slog.Logger) (results []result, err error) {
	env, err := newEnvironment(stock, log)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, env.close()) }()
	value, reference, err := m.prepare(ctx, env)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	if o.alone {
		reference = nil
	}
	stop, err := startProfile(o.profile, m.name)
	if err != nil {
		return nil, err
	}
	series := newSeries(m.rows)
	for i := range o.runs {
		if err := series.addRound(ctx, value, reference, i%2 == 1); err != nil {
			return nil, errors.Join(fmt.Errorf("run %d: %w", i+1, err), stop())
		}
	}
	return series.results(), stop()
}

// addRound takes value and reference once. Every other round the reference is first, so that a machine
// that gets slower or faster favours neither.
func (s *series) addRound(ctx context.Context, value, reference probe, referenceFirst bool) error {
	var values, references []float64
	steps := []struct {
		probe probe
		into  *[]float64
	}{{value, &values}, {reference, &references}}
	if referenceFirst {
		steps[0], steps[1] = steps[1], steps[0]
	}
	for _, step := range steps {
		if step.probe == nil {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, patience)
		numbers, err := step.probe(bounded)
		cancel()
		if err != nil {
			return err
		}
		*step.into = numbers
	}
	s.add(values, references)
	return nil
}
