// Command busctl is for people at a terminal who want to see or put events on the bus of a local run
// or of a port-forwarded broker:
//
//	busctl publish ──> event.Decode only warns ──> bus.Publisher ──┐
//	                                                               v
//	busctl listen  <── one line per event <── bus.Subscriber <── broker
//	                                                               │
//	busctl lag     <── table or JSON <── bus.Inspector <───────────┘ its HTTP monitoring
//
// What was asked for goes to stdout, everything that is said about it to stderr. The exit code is 0 where
// it was done, 1 where it failed and 2 where the command line is wrong, the last two after one line
// on stderr.
//
// A command is one file, with its flags as a struct and its work as the method Run, and one line in
// commands (commands.go).
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], terminal{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// terminal is where a command reads and writes.
type terminal struct {
	in  io.Reader
	out io.Writer
	err io.Writer
}

// say tells the person one line, on stderr.
func (t terminal) say(format string, args ...any) {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "; ")
	fmt.Fprintf(t.err, "busctl: %s\n", text)
}

// untilInterrupted returns a ctx that ends with the first SIGINT or SIGTERM; a second one ends the process
// at once. It is for commands that have something to leave in order; the others are just ended.
func untilInterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // gives the second signal back to the system
	return ctx, stop
}
