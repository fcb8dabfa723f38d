// Command bench measures how close the system comes to what its broker and its disk allow, prints a
// table and writes it to build/bench.json.
//
//	measurement ── prepare ──> value, reference      (a broker of its own, file store, file_sync)
//	                               │
//	            -runs times: value, reference, then reference, value ...
//	                               └──> medians ──> table, JSON
//
// Everything is durable while it is measured: the broker syncs its files before it acknowledges a
// publish, bolt syncs before it answers, an event is acked after its write. A machine is as fast as its
// neighbours let it be, so only ratios count: each value is taken beside a reference that does the least
// that could be done, moments apart in the same process. What is measured exactly, and beside what, is
// said at the top of each measurement's file: catchup.go, twomembers.go,
// reactions.go, publish.go, writepath.go, barewrite.go, readpath.go, visible.go, purchase.go, healing.go, slowstore.go,
// binary.go, costcatchup.go, costwrite.go, memorytickets.go, memoryorders.go, start.go, expiry.go.
// Allocations are those of all the process, see meter.go.
//
//	go run ./infra/bench                                     a few minutes
//	go run ./infra/bench -full                               also what takes a million tickets
//	go run ./infra/bench -only catch-up -alone -profile DIR  where the time goes
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"ticketing/pkg/app"
)

func main() {
	app.AllowForSyncs(2) // a store and the broker, as their processes do
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	sizes   sizes
	full    bool // also the measurements that take a million tickets
	runs    int
	only    string // the beginning of the names of the measurements to take
	alone   bool   // without the references
	out     string // file for the JSON
	profile string // folder for profiles; empty for none
}

func parseOptions(args []string, usage io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.IntVar(&o.runs, "runs", 5, "how often each measurement is taken; the median counts")
	flags.StringVar(&o.only, "only", "", "take only measurements whose name begins so")
	flags.BoolVar(&o.alone, "alone", false, "leave out the references, to profile a measurement")
	flags.StringVar(&o.out, "out", "build/bench.json", "file for the results")
	flags.StringVar(&o.profile, "profile", "", "folder for a CPU and an allocation profile of each measurement")
	flags.BoolVar(&o.full, "full", false, "also take the measurements with a large store: cost, memory, start")
	flags.IntVar(&o.sizes.events, "events", 500_000, "catch-up, memory of orders: events to drain")
	flags.IntVar(&o.sizes.tickets, "tickets", 50_000, "catch-up: tickets they belong to")
	flags.IntVar(&o.sizes.reactions, "reactions", 100_000, "reactions: events to react to")
	flags.IntVar(&o.sizes.reactionTickets, "reaction-tickets", 10_000, "reactions: tickets they belong to, each with an entity that reacts")
	flags.IntVar(&o.sizes.outbox, "outbox", 100_000, "publish: events that wait in the outboxes")
	flags.IntVar(&o.sizes.outboxTickets, "outbox-tickets", 10_000, "publish: tickets they belong to")
	flags.IntVar(&o.sizes.posts, "posts", 60_000, "write path: requests")
	flags.IntVar(&o.sizes.clients, "clients", 64, "write path, read path: clients")
	flags.IntVar(&o.sizes.reads, "reads", 20_000, "read path: requests")
	flags.IntVar(&o.sizes.samples, "samples", 500, "201 to visible: samples")
	flags.IntVar(&o.sizes.slow, "slow", 10_000, "slow store: events to drain")
	flags.IntVar(&o.sizes.large, "large", 1_000_000, "cost, memory, start, expiry: tickets or deadlines in the large store")
	flags.IntVar(&o.sizes.small, "small", 10_000, "cost: tickets in the small store it is compared with")
	flags.IntVar(&o.sizes.changes, "changes", 100_000, "cost: events to catch up")
	flags.IntVar(&o.sizes.writes, "writes", 20_000, "cost, memory: requests")
	flags.IntVar(&o.sizes.due, "due", 10_000, "expiry: deadlines that fire, 1,000 in each second")
	flags.IntVar(&o.sizes.swaps, "swaps", 300, "healing: swaps")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if err := o.sizes.check(); err != nil {
		return o, err
	}
	if o.runs < 1 {
		return o, fmt.Errorf("-runs %d: must be at least 1", o.runs)
	}
	return o, nil
}

// run takes the measurements and reports them. Progress and warnings of the system go to progress.
func run(ctx context.Context, args []string, table, progress io.Writer) (err error) {
	o, err := parseOptions(args, progress)
	if err != nil {
		return err
	}
	stock, err := newStock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stock.close()) }()
	results, failed := takeAll(ctx, o, stock, progress)
	if len(results) == 0 {
		return cmp.Or(failed, fmt.Errorf("no measurement has a name that begins with %q", o.only))
	}
	// What was measured before a failure has taken long and is not thrown away.
	if err := writeTable(table, results); err != nil {
		return errors.Join(failed, fmt.Errorf("print the table: %w", err))
	}
	return errors.Join(failed, writeJSON(o.out, results))
}

// takeAll takes the measurements that are asked for, up to one that fails.
func takeAll(ctx context.Context, o options, stock *stock, progress io.Writer) (results []result, err error) {
	log := slog.New(slog.NewTextHandler(progress, &slog.HandlerOptions{Level: slog.LevelWarn}))
	for _, m := range measurements(o) {
		if !strings.HasPrefix(m.name, o.only) {
			continue
		}
		fmt.Fprintf(progress, "%s, %d runs\n", m.name, o.runs)
		measured, err := take(ctx, m, o, stock, log)
		if errors.Is(err, errNotMeasured) {
			fmt.Fprintf(progress, "%s: %v\n", m.name, err)
			continue
		}
		if err != nil {
			return results, fmt.Errorf("%s: %w", m.name, err)
		}
		results = append(results, measured...)
	}
	return results, nil
}
