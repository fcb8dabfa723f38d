package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"ticketing/infra/chaos/check"
	"ticketing/infra/chaos/load"
	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// nemesis breaks a system as its schedule says.
type nemesis struct {
	system   *system
	schedule *schedule
	load     *load.Load
	bus      bus.Publisher // not through a link

	faults   map[faultKind]int
	recovery []time.Duration
	injected []check.Parked
	findings []check.Finding
}

// run breaks and heals until the time is over. It ends with the system healed. An error means that it could not
// do its work; what the system did wrong is in findings.
func (n *nemesis) run(ctx context.Context, length time.Duration) error {
	began := time.Now()
	for time.Since(began) < length && ctx.Err() == nil {
		round := n.schedule.next()
		if err := n.strike(ctx, round); err != nil {
			return err
		}
		healed := time.Now()
		recovered, cancel := context.WithTimeout(ctx, patience)
		err := n.load.Probe(recovered)
		cancel()
		took := time.Since(healed)
		if err != nil {
			n.report(checkRecovers, fmt.Sprint(round), err.Error())
		}
		n.recovery = append(n.recovery, took)
		fmt.Printf("%7.1fs  %v; recovered in %v\n", time.Since(began).Seconds(), round, took.Round(time.Millisecond))
		n.lookForDead()
	}
	return ctx.Err()
}

// Names of what the nemesis itself looks at.
const (
	checkRecovers = "a write is visible in orders again after each fault"
	checkAlive    = "no process ends by itself"
	checkRefuses  = "a service does not start on a folder that it cannot write"
)

func (n *nemesis) report(name, entity, detail string) {
	n.findings = append(n.findings, check.Finding{Check: name, Entity: entity, Detail: detail})
	fmt.Println("FOUND", n.findings[len(n.findings)-1])
}

// lookForDead finds programs that are gone although nobody killed them.
func (n *nemesis) lookForDead() {
	for _, one := range n.system.nodes {
		if _, err := one.running(); err != nil {
			n.report(checkAlive, one.name, err.Error())
		}
	}
}

// strike carries out the faults of a round at the same time, and returns when all have ended.
func (n *nemesis) strike(ctx context.Context, round []fault) error {
	for _, f := range round {
		n.faults[f.Kind]++
	}
	var striking errgroup.Group
	for _, f := range round {
		switch f.Kind {
		case faultPoison:
			if err := n.poison(ctx, f); err != nil {
				return err
			}
		case faultReadOnly:
			if err := n.readOnly(ctx, f); err != nil {
				return err
			}
		default:
			striking.Go(func() error { return n.during(ctx, f) })
		}
	}
	return striking.Wait()
}

// during begins a fault, waits, and ends it.
func (n *nemesis) during(ctx context.Context, f fault) error {
	begin, end := n.tool(ctx, f)
	if err := begin(); err != nil {
		return fmt.Errorf("begin %s: %w", f, err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(f.Lasts):
	}
	if err := end(); err != nil {
		return fmt.Errorf("end %s: %w", f, err)
	}
	return nil
}

// tool is how a fault begins and ends.
func (n *nemesis) tool(ctx context.Context, f fault) (begin, end func() error) {
	switch f.Kind {
	case faultKill:
		victim := n.system.node(f.Target)
		return func() error { victim.kill(); return nil }, func() error { return n.startAgain(ctx, victim) }
	case faultPause:
		victim := n.system.node(f.Target)
		return func() error {
				p, err := victim.running()
				if err != nil {
					return err
				}
				return p.Suspend()
			}, func() error {
				p, err := victim.running()
				if err != nil {
					return err
				}
				return p.Resume()
			}
	case faultFull:
		d := n.system.disks[f.Target]
		return d.fill, d.empty
	default:
		return func() error { return n.system.network.fail(f) }, func() error { return n.system.network.heal(f.Target) }
	}
}

func (n *nemesis) startAgain(ctx context.Context, victim *node) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return victim.start(ctx)
}

// readOnly kills a service, lets it start on a folder that it cannot write, which it must refuse, and then on the
// folder as it was.
func (n *nemesis) readOnly(ctx context.Context, f fault) error {
	victim, d := n.system.node(f.Target), n.system.disks[f.Target]
	victim.kill()
	if err := setReadOnly(d.dir, true); err != nil {
		return fmt.Errorf("%s: %w", f, err)
	}
	if err := n.startAgain(ctx, victim); err == nil {
		n.report(checkRefuses, f.Target, "it says that it is up")
		victim.kill()
	}
	if err := setReadOnly(d.dir, false); err != nil {
		return fmt.Errorf("end %s: %w", f, err)
	}
	return n.startAgain(ctx, victim)
}

// poisons are events that no service can use, for a number that makes each one unique.
var poisons = []string{
	`{"id":"not an id %d","version":0,"title":"x","price":1,"userId":"65a0000000000000000000aa"}`,
	`{"id":"65a0000000000000000000bb","version":0,"title":"no user %d","price":1}`,
	`{"id":"65a0000000000000000000cc","version":0,"title":"price %d","price":-1,"userId":"65a0000000000000000000aa"}`,
	`{"id":"65a0000000000000000000dd","version":0,"title":"cut short %d`,
	`"no object %d"`,
}

// poison puts one on the bus, and notes every attempt: one without an answer may have been stored.
func (n *nemesis) poison(ctx context.Context, f fault) error {
	data := fmt.Sprintf(poisons[f.Detail%len(poisons)], f.Detail)
	subjects := []event.Subject{event.SubjectTicketCreated, event.SubjectTicketUpdated}
	channel := string(subjects[f.Detail%len(subjects)])
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		n.injected = append(n.injected, check.Parked{Channel: channel, Data: data, Reason: "poison"})
		err := n.bus.Publish(ctx, channel, []byte(data))
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond): // while the broker is away a publish fails at once
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s: %w", f, err), ctx.Err())
		}
	}
}
