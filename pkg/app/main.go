// Package app is what every process of the system does around its own work: read the environment, log,
// end on a signal, and say in one line why it could not go on.
//
//	main ─> Main(name, run): logger, signals
//	          └─> run(ctx, log): LoadConfig, wiring, work until ctx ends
//	                └─> error ─> one line, exit code 1
//
// Several things that run side by side belong into an errgroup (golang.org/x/sync/errgroup) within run.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// Main runs a process and never returns. The ctx of run ends with the first SIGINT or SIGTERM; run then
// finishes what it has begun and returns. A second signal ends the process at once.
//
// The exit code is 0 where run returns nil, or the error of the ended ctx; else it is 1, after one line
// on stderr that tells the error. The logger writes to stderr; LOG_LEVEL (debug, info, warn,
// error; default info) and LOG_FORMAT (json, text; default text for a terminal, else json) set it up.
func Main(name string, run func(ctx context.Context, log *slog.Logger) error) {
	os.Exit(runMain(name, os.Stderr, run))
}

func runMain(name string, stderr *os.File, run func(ctx context.Context, log *slog.Logger) error) int {
	cfg, err := LoadConfig[logConfig]()
	if err != nil {
		printLine(stderr, name, err)
		return 1
	}
	format := cfg.Format
	if format == "" {
		format = defaultFormat(stderr)
	}
	log := newLogger(stderr, cfg.Level, format)

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // gives the second signal back to the system, which ends the process

	err = run(ctx, log)
	switch {
	case err == nil, ctx.Err() != nil && errors.Is(err, context.Canceled):
		return 0
	case format == formatText:
		printLine(stderr, name, err)
	default:
		log.Error(name+" failed", "error", err)
	}
	return 1
}

// printLine tells a person why the process ends.
func printLine(w io.Writer, name string, err error) {
	fmt.Fprintf(w, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; "))
}
