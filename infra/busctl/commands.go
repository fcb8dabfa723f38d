package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/alecthomas/kong"

	"ticketing/pkg/bus"
)

// commands are the command line as a whole: a new command is its own file and a line here.
type commands struct {
	Publish publish `cmd:"" help:"Publish one event, or one per line of stdin."`
	Listen  listen  `cmd:"" help:"Show events, one per line, until Ctrl-C."`
	Lag     lag     `cmd:"" help:"Show how far each group is behind."`
	Parked  parked  `cmd:"" help:"See, retry and drop the events a service could not use."`
	Gaps    gaps    `cmd:"" help:"Show entities that wait for a version that has not come."`
	Verify  verify  `cmd:"" help:"Compare a service's replicas with their source."`
	Rebuild rebuild `cmd:"" help:"Make a service's replicas anew from the broker's history."`

	Broker broker `embed:"" group:"Flags of every command:"`
}

// Exit codes.
const (
	done     = 0
	failed   = 1
	badUsage = 2
)

const description = `Publish to, listen to and measure the event bus.

Without flags it talks to the broker of "make run".`

// usageError is a mistake in the command line that shows only once the command runs.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run is the whole program; it returns the exit code.
func run(ctx context.Context, args []string, term terminal) int {
	out, code := term.out, done
	if len(args) == 0 {
		args, out, code = []string{"help"}, term.err, badUsage
	}
	var cmds commands
	helped := false
	parser := kong.Must(&cmds,
		kong.Name("busctl"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 110}),
		kong.Vars{
			"ack_wait":      bus.DefaultAckWait.String(),
			"max_inflight":  strconv.Itoa(bus.DefaultMaxInflight),
			"verify_within": verifyWithin.String(),
		},
		kong.Writers(out, term.err),
		// The help flag prints and then exits; here it lets Parse go on, whose result no longer matters.
		kong.Exit(func(int) { helped = true }),
	)
	command, err := parser.Parse(helpAsFlag(args))
	if helped {
		return code
	}
	if err == nil {
		command.BindTo(ctx, (*context.Context)(nil))
		err = command.Run(cmds.Broker, term)
	}
	return report(term, err)
}

// helpAsFlag makes `help listen`, which people expect, of `listen --help`, which the parser knows.
func helpAsFlag(args []string) []string {
	if args[0] != "help" {
		return args
	}
	return append(append([]string{}, args[1:]...), "--help")
}

// report says what went wrong, in one line, and returns the exit code for it.
func report(term terminal, err error) int {
	var parse *kong.ParseError
	var usage usageError
	switch {
	case err == nil:
		return done
	case errors.As(err, &parse), errors.As(err, &usage):
		term.say("%v (see `busctl help`)", err)
		return badUsage
	default:
		term.say("%v", err)
		return failed
	}
}
