// Command load sends paced requests through the gateway, faster step by step, until the system does not
// keep up, and names what is at its limit first.
//
//	arrivals (seed, rate) ──> workload: what is asked ──> gateway ──> auth, tickets, orders, broker, files
//	   │ open loop: at its time, whatever the others wait for     │
//	   │ closed loop: each client after its last answer           v
//	   └── scheduled time ───────────────────────────────> recorder: latency from the SCHEDULED time
//	                                                              │
//	 usage (CPU, disk, heap), backlog (outboxes, group lag) ──> step ──> saturated? ──> what limits first
//
// A stall of the system cannot hide: in the open loop the requests that were due during it are late by what
// was left of it, in the closed loop with a rate the histogram is corrected by what each client would have
// sent meanwhile.
//
//	go run ./infra/load                                      the ramp, a minute or two
//	go run ./infra/load -mode open -rate 500 -duration 30s   one rate
//	go run ./infra/load -mode closed -clients 64             as fast as 64 clients go
//	go run ./infra/load -target http://127.0.0.1:8080        a system that runs already (`make run`)
//
// Without -target the whole system runs in this process, in a folder of its own that is removed. The load
// then costs the same CPU that the system needs: the rates are below what it does for clients elsewhere.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// run does what args say. The table goes to out, progress and warnings of the system to progress. An answer
// that the API does not promise, or none, fails the run after the table is printed.
func run(ctx context.Context, args []string, out, progress io.Writer) (err error) {
	o, err := parseOptions(args, progress)
	if err != nil {
		return err
	}
	target, err := openTarget(ctx, o, progress)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.close()) }()
	l, err := newLoader(ctx, o, target, progress)
	if err != nil {
		return err
	}
	defer l.api.close()
	steps, err := l.take(ctx)
	report := makeReport(o, steps)
	return errors.Join(err, report.print(out), report.writeJSON(o.json), unexpected(steps))
}
