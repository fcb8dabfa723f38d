package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"ticketing/pkg/replica"
)

// gaps shows the entities for which a version has not come.
type gaps struct {
	Older time.Duration `default:"1m" placeholder:"TIME" help:"Only those that have waited longer (default ${default})."`
	JSON  bool          `name:"json" help:"One line of JSON: an array of gaps."`

	Service admin `embed:""`
}

// Help is the long text of `busctl help gaps`.
func (*gaps) Help() string {
	return `An entity waits when a later version came and one before it did not. It goes on by itself the moment that
one comes. One that waits for long has lost an event at its source, or at the broker by a limit: see lag's LOST.`
}

// Run asks once.
func (g *gaps) Run(ctx context.Context, term terminal) error {
	var found []replica.Gap
	if _, err := g.Service.ask(ctx, http.MethodGet, "/gaps?older="+url.QueryEscape(g.Older.String()), &found); err != nil {
		return err
	}
	if g.JSON {
		return json.NewEncoder(term.out).Encode(found)
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(term.out, "nothing has waited longer than %v\n", g.Older)
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
