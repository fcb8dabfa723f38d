package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	"ticketing/pkg/oncall"
)

// parked is what a person does with the events that a service could not use.
type parked struct {
	List  parkedList  `cmd:"" default:"1" help:"Show them, one per line."`
	Show  parkedShow  `cmd:"" help:"Show one with its payload."`
	Retry parkedRetry `cmd:"" help:"Handle some again, as if they had just come."`
	Drop  parkedDrop  `cmd:"" help:"Remove some. A rebuild meets them again in the broker's history, and parks them."`

	Service admin `embed:""`
}

// Help is the long text of `busctl help parked`.
func (*parked) Help() string {
	return `A service parks an event that it cannot use: "poison" breaks the contract, "conflict" carries a version
that was seen with other content, "failed" was tried too often, "early" found its entity's record full and comes
back by itself. Nothing is removed but by retry and drop.

    busctl parked retry --all

    busctl parked drop 5f0c6d1e9a7b3c2d4e8f0a1b`
}

type parkedList struct {
	JSON bool `name:"json" help:"One JSON document per line, with the payload."`
}

// Run shows all pages.
func (l *parkedList) Run(ctx context.Context, p *parked, term terminal) error {
	entries, err := p.Service.parked(ctx)
	if err != nil {
		return err
	}
	if l.JSON {
		lines := json.NewEncoder(term.out)
		lines.SetEscapeHTML(false)
		for _, e := range entries {
			if err := lines.Encode(e); err != nil {
				return err
			}
		}
		return nil
	}
	if len(entries) == 0 {
		_, err := fmt.Fprintln(term.out, "nothing is parked")
		return err
	}
	table := tabwriter.NewWriter(term.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tREASON\tCHANNEL\tSEQUENCE\tATTEMPTS\tFIRST\tLAST\tERROR")
	for _, e := range entries {
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%s\t%s\t%s\n", e.ID, e.Reason, e.Channel, e.Sequence, e.Attempts,
			e.First.Format(time.RFC3339), e.Last.Format(time.RFC3339), e.Error)
	}
	return table.Flush()
}

// parked reads every page.
func (a admin) parked(ctx context.Context) ([]oncall.Parked, error) {
	var all []oncall.Parked
	query := "limit=200"
	for {
		var page []oncall.Parked
		next, err := a.ask(ctx, http.MethodGet, "/parked?"+query, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if next == "" {
			return all, nil
		}
		query = next
	}
}

type parkedShow struct {
	ID string `arg:"" help:"The event's id, as list shows it."`
}

// Run shows the event as indented JSON.
func (s *parkedShow) Run(ctx context.Context, p *parked, term terminal) error {
	var entry oncall.Parked
	if _, err := p.Service.ask(ctx, http.MethodGet, parkedPath(s.ID), &entry); err != nil {
		return err
	}
	document := json.NewEncoder(term.out)
	document.SetEscapeHTML(false)
	document.SetIndent("", "  ")
	return document.Encode(entry)
}

type parkedRetry struct {
	IDs []string `arg:"" optional:"" name:"id" help:"The events' ids."`
	All bool     `help:"All that are parked."`
}

// Validate finds the mistakes in a command line that the parser does not.
func (r *parkedRetry) Validate() error {
	if (len(r.IDs) == 0) != r.All {
		return errors.New("name the events, or say --all")
	}
	return nil
}

// Run tries one after the other and says what came of each. The first that cannot be tried ends it.
func (r *parkedRetry) Run(ctx context.Context, p *parked, term terminal) error {
	if r.All {
		entries, err := p.Service.parked(ctx)
		if err != nil {
			return err
		}
		for _, e := range entries {
			r.IDs = append(r.IDs, e.ID)
		}
	}
	for _, id := range r.IDs {
		var result oncall.Retried
		if _, err := p.Service.ask(ctx, http.MethodPost, parkedPath(id)+"/retry", &result); err != nil {
			return err
		}
		state := "no longer parked"
		if result.Parked {
			state = "still parked"
		}
		if _, err := fmt.Fprintf(term.out, "%s: %s, %s\n", id, result.Verdict, state); err != nil {
			return err
		}
	}
	return nil
}

type parkedDrop struct {
	IDs []string `arg:"" name:"id" help:"The events' ids."`
}

// Run removes one after the other. The first that cannot be removed ends it.
func (d *parkedDrop) Run(ctx context.Context, p *parked, term terminal) error {
	for _, id := range d.IDs {
		if _, err := p.Service.ask(ctx, http.MethodDelete, parkedPath(id), nil); err != nil {
			return err
		}
		if _, err := fmt.Fprintf(term.out, "%s: dropped\n", id); err != nil {
			return err
		}
	}
	return nil
}

func parkedPath(id string) string { return "/parked/" + url.PathEscape(id) }
