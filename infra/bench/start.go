package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// starting is how long a service's program takes from the start of its process until /readyz is 200, with
// that many tickets in its store and nothing to catch up.
//
// The reference is the same program with an empty store: what a scan of the store would cost is the
// difference.
func starting(s sizes) measurement {
	kinds := []shelf{ticketsShelf(), ordersShelf()}
	rows := make([]row, len(kinds))
	for i, kind := range kinds {
		name := fmt.Sprintf("start of %s at %s tickets, reference at none", kind.service, amount(s.large))
		rows[i] = row{name: name, unit: "ms", target: valueAtMost(1000)}
	}
	return measurement{
		name: "start",
		rows: rows,
		prepare: func(ctx context.Context, env *environment) (value, reference probe, err error) {
			var full, empty []string
			for _, kind := range kinds {
				path, err := env.copyOfFull(ctx, kind, s.large)
				if err != nil {
					return nil, nil, err
				}
				full = append(full, path)
				empty = append(empty, filepath.Join(env.dir, env.name(kind.service)+".db"))
			}
			return startAll(env, kinds, full), startAll(env, kinds, empty), nil
		},
	}
}

// startAll starts a program of each kind on its store, one after the other.
func startAll(env *environment, kinds []shelf, paths []string) probe {
	return func(ctx context.Context) ([]float64, error) {
		took := make([]float64, len(kinds))
		for i, kind := range kinds {
			var err error
			if took[i], err = timeToReady(ctx, env, kind.service, paths[i]); err != nil {
				return nil, err
			}
		}
		return took, nil
	}
}

func timeToReady(ctx context.Context, env *environment, service, path string) (_ float64, err error) {
	var until cleanup
	defer func() { err = errors.Join(err, until.close()) }()
	p, err := startProgram(ctx, env, &until, service, path)
	if err != nil {
		return 0, err
	}
	took, err := p.awaitReady(ctx)
	return milliseconds(took), err
}
