package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"ticketing/pkg/replica"
)

// rebuild makes a service's replicas anew from the broker's history, while it goes on.
type rebuild struct {
	Kind   string `default:"ticket" placeholder:"KIND" help:"The kind of entity (default ${default})."`
	Anyway bool   `help:"Also where the broker no longer has the whole history; what it lacks is gone then."`

	Service admin `embed:""`
}

// Help is the long text of `busctl help rebuild`.
func (*rebuild) Help() string {
	return `Replays all events into a new generation, makes it the present one for every replica of the service, and
replays once more what came between. Readers are served throughout. Ended at whatever point, it can be started again.`
}

// Run starts it and waits for its end. Leaving with Ctrl-C does not end it.
func (r *rebuild) Run(ctx context.Context, term terminal) error {
	path := "/replicas/" + r.Kind + "/rebuild"
	start := path
	if r.Anyway {
		start += "?anyway=true"
	}
	var state replica.Rebuild
	if _, err := r.Service.ask(ctx, http.MethodPost, start, &state); err != nil {
		return err
	}
	for state.Running {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		if _, err := r.Service.ask(ctx, http.MethodGet, path, &state); err != nil {
			return err
		}
	}
	if state.Error != "" {
		return fmt.Errorf("the rebuild has not ended well: %s", state.Error)
	}
	_, err := fmt.Fprintf(term.out, "rebuilt as generation %d in %v\n",
		state.Generation, state.Ended.Sub(state.Started).Round(time.Millisecond))
	return err
}
