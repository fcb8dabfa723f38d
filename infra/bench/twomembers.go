package main

import (
	"context"
	"fmt"
)

// twoMembers is how fast two members of orders drain the backlog of catchUp together. They are in one
// process and share one handle of the store, as a bolt file demands.
//
// The reference is one member that does so alone.
func twoMembers(s sizes) measurement {
	return measurement{
		name: "catch-up, two members",
		rows: metered(fmt.Sprintf("catch-up by two members, %s events of %s tickets", amount(s.events), amount(s.tickets)),
			"event", ratioAtLeast(0.9)),
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			b, err := fillBacklog(ctx, env, s.events, s.tickets)
			if err != nil {
				return nil, nil, err
			}
			return b.drainIntoReplica(2), b.drainIntoReplica(1), nil
		},
	}
}
