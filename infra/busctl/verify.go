package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/replica"
)

// verify compares a service's replicas with their source, entity by entity, while both go on.
type verify struct {
	Source string        `env:"BUSCTL_SOURCE" default:"http://127.0.0.1:8080/api/tickets?status=all" placeholder:"URL" help:"The list of the source's entities (default ${default})."`
	Kind   string        `default:"ticket" placeholder:"KIND" help:"The kind of entity (default ${default})."`
	Within time.Duration `default:"${verify_within}" placeholder:"TIME" help:"How long a replica may be behind (default ${default}, three AckWaits)."`
	Resync bool          `help:"Make what differs equal to the source."`
	JSON   bool          `name:"json" help:"One line of JSON: an array of differences."`

	Service admin `embed:""`
}

// verifyWithin is how long a replica may be behind before that counts as a difference.
const verifyWithin = 3 * bus.DefaultAckWait

// errDiffers is why the exit code is 1.
var errDiffers = errors.New("replicas differ from their source")

// Help is the long text of `busctl help verify`.
func (*verify) Help() string {
	return `Reads all entities from the source's public list and all replicas from the service's admin listener. A
replica differs if it has the same version with other content, if it is still behind after a while, or if the source
does not know its entity. Content is the fields of both sides; one that a side lacks counts as its zero value. Exit
code 1 if any replica differs and is not mended.

    busctl verify --resync      mends them one by one, also over versions that will never come, and back from
                                versions that the source has not (which a rebuild meets again)

    busctl rebuild              makes all of them anew from the broker's history`
}

// Run compares, and mends if Resync is set.
func (v *verify) Run(ctx context.Context, term terminal) error {
	places := comparison{source: v.Source, kind: v.Kind, service: v.Service}
	var lost replica.Loss
	if v.Resync {
		var err error
		if lost, err = v.loss(ctx); err != nil {
			return err
		}
	}
	checked, suspects, err := places.compareAll(ctx)
	if err != nil {
		return err
	}
	differences, err := places.confirm(ctx, suspects, v.Within)
	if err != nil {
		return err
	}
	if !v.JSON {
		if err := v.show(term, checked, differences); err != nil {
			return err
		}
	}
	left := len(differences)
	if v.Resync {
		left, err = v.mend(ctx, term, places, lost, differences)
	}
	if v.JSON { // also what was done before an error
		err = errors.Join(err, json.NewEncoder(term.out).Encode(differences))
	}
	if err == nil && left > 0 {
		err = errDiffers
	}
	return err
}

func (v *verify) show(term terminal, checked int, differences []difference) error {
	if _, err := fmt.Fprintf(term.out, "%d compared, %d differ\n", checked, len(differences)); err != nil || len(differences) == 0 {
		return err
	}
	table := tabwriter.NewWriter(term.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ENTITY\tSOURCE\tREPLICA\tDIFFERENCE")
	for _, d := range differences {
		fmt.Fprintf(table, "%s/%s\t%s\t%s\t%s\n", v.Kind, d.ID, version(d.Source), version(d.Replica), d.What)
	}
	return table.Flush()
}

func version(v *int64) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprint(*v)
}

// confirm looks at suspects again until each is equal or its time is over, and returns those that are not.
func (c comparison) confirm(ctx context.Context, suspects []difference, within time.Duration) ([]difference, error) {
	deadline := time.Now().Add(within)
	for {
		left := []difference{} // an empty array, not null
		for _, s := range suspects {
			d, err := c.compareOne(ctx, s.ID)
			if err != nil {
				return nil, err
			}
			if d != nil {
				left = append(left, *d)
			}
		}
		onlyContent := !slices.ContainsFunc(left, func(d difference) bool { return d.What != otherContent })
		if len(left) == 0 || onlyContent || time.Now().After(deadline) {
			return left, nil
		}
		suspects = left
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(time.Second, within)):
		}
	}
}
