package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"ticketing/pkg/replica"
)

// gaps is what a person does about the entities for which a version has not come.
type gaps struct {
	List gapsList `cmd:"" default:"withargs" help:"Show them, one per line."`
	Drop gapsDrop `cmd:"" help:"Drop what came behind the versions that some wait for."`

	Service admin `embed:""`
}

// Help is the long text of `busctl help gaps`.
func (*gaps) Help() string {
	return `An entity waits when a later version came and one before it did not. It goes on by itself the moment that
one comes. One that waits for long has lost an event at its source, or at the broker by a limit: see lag's LOST. Where
the source has gone on, verify --resync mends it. Where somebody published an event that its source knows nothing of,
nothing will ever come, and what waits can be dropped; a rebuild meets it again in the broker's history:

    busctl gaps drop ticket/65a1b2c3d4e5f60718293a4b`
}

type gapsList struct {
	Older time.Duration `default:"1m" placeholder:"TIME" help:"Only those that have waited longer (default ${default})."`
	JSON  bool          `name:"json" help:"One line of JSON: an array of gaps."`
}

// Run asks once.
func (l *gapsList) Run(ctx context.Context, g *gaps, term terminal) error {
	var found []replica.Gap
	if _, err := g.Service.ask(ctx, http.MethodGet, "/gaps?older="+url.QueryEscape(l.Older.String()), &found); err != nil {
		return err
	}
	if l.JSON {
		return json.NewEncoder(term.out).Encode(found)
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(term.out, "nothing has waited longer than %v\n", l.Older)
		return err
	}
	table := tabwriter.NewWriter(term.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ENTITY\tWAITS FOR\tSINCE\tKEPT BEHIND IT")
	for _, gap := range found {
		kept := fmt.Sprint(gap.Kept)
		if gap.More {
			kept += ", more parked"
		}
		fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", gap.Entity, gap.WaitsFor, gap.Since.Format(time.RFC3339), kept)
	}
	return table.Flush()
}

type gapsDrop struct {
	Entities []string `arg:"" name:"entity" help:"The entities, as list shows them: ticket/65a1b2c3d4e5f60718293a4b."`
}

// Validate finds the mistakes in a command line that the parser does not.
func (d *gapsDrop) Validate() error {
	for _, entity := range d.Entities {
		if kind, id, _ := strings.Cut(entity, "/"); kind == "" || id == "" {
			return fmt.Errorf("%q is not of the form kind/id", entity)
		}
	}
	return nil
}

// Run goes over one after the other. The first for which it fails ends it.
func (d *gapsDrop) Run(ctx context.Context, g *gaps, term terminal) error {
	for _, entity := range d.Entities {
		kind, id, _ := strings.Cut(entity, "/")
		path := "/gaps/" + url.PathEscape(kind) + "/" + url.PathEscape(id)
		if _, err := g.Service.ask(ctx, http.MethodDelete, path, nil); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(term.out, "%s: what waited is dropped\n", entity); err != nil {
			return err
		}
	}
	return nil
}
