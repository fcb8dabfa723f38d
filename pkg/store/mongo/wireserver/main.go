// Command wireserver is a stand-in for mongod in the tests of the MongoDB adapter: FerretDB with its
// SQLite backend, behind a proxy that lets one write through at a time.
//
//	driver ──> proxy ──────────────> FerretDB ──> DIR/<database>.sqlite
//	           │ reads pass freely
//	           └ writes wait for their turn, from forwarding until the reply is back
//
// FerretDB is needed because a real mongod is not always at hand; the proxy is needed because
// FerretDB reads, checks and writes a document in separate steps, so that two conditional updates
// of one document can both succeed. Reads need no turn: each is one SELECT on SQLite's write-ahead
// log and so sees one moment. The proxy also sends the statements of an update one by one (update.go).
//
// It is a module of its own so that nothing of it reaches the go.mod of the services. It speaks to
// loopback only, has no passwords and is never a store for real data.
//
// It prints one line, MONGO_URI=mongodb://HOST:PORT/, when a ping through the proxy has been
// answered, and serves until SIGINT, SIGTERM or, where standard input is a pipe, until that is
// closed (so it does not outlive the process that started it).
//
// Passwords: the embeddable package does not expose FerretDB's SCRAM, its command does
// (ferretdb --handler=sqlite --test-enable-new-auth --setup-database=admin --setup-username=...
// --setup-password=...; built from a checkout, or from the module's source with a line "v1.24.2" in
// build/version/version.txt). With -backend HOST:PORT the proxy stands before such a server instead of
// an embedded one; the authentication of clients passes through unchanged.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/FerretDB/wire/wireclient"
	"golang.org/x/sync/errgroup"
)

// readyWithin bounds the wait for the first answer to a ping.
const readyWithin = time.Minute

// config is what the flags say.
type config struct {
	listen  string
	dir     string
	backend string
	level   slog.Level
}

func main() {
	var c config
	flag.StringVar(&c.listen, "listen", "127.0.0.1:0", "address to serve on; port 0 picks a free one")
	flag.StringVar(&c.dir, "dir", "", "directory of the database files; empty: a temporary one, removed at the end")
	flag.StringVar(&c.backend, "backend", "", "address of a running FerretDB to serve instead of an embedded one")
	flag.TextVar(&c.level, "log", slog.LevelError, "lowest level that is logged to standard error: debug, info, warn or error")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// This goroutine ends with the process: a blocked read of standard input cannot be called back.
	if isPipe(os.Stdin) {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
	}

	if err := run(ctx, c, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "wireserver:", err)
		os.Exit(1)
	}
}

// isPipe tells whether f is a pipe. Only then does its end mean that the other side is gone: a shell
// gives /dev/null, which ends at once, to what it starts in the background.
func isPipe(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeNamedPipe != 0
}

// run serves until ctx ends and returns nil then.
func run(ctx context.Context, c config, stdout, stderr io.Writer) error {
	logger := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: c.level}))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	tasks, ctx := errgroup.WithContext(ctx)

	backend := c.backend
	if backend == "" {
		database, err := openFerret(c.dir, logger)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		defer database.remove()
		backend = database.address
		tasks.Go(func() error { return database.run(ctx) })
	}

	p := &proxy{backend: backend, logger: logger}
	tasks.Go(func() error { return p.serve(ctx, listener) })
	tasks.Go(func() error {
		uri := "mongodb://" + listener.Addr().String() + "/"
		if err := awaitPing(ctx, uri, logger); err != nil {
			return err
		}
		_, err := fmt.Fprintln(stdout, "MONGO_URI="+uri)
		return err
	})
	return tasks.Wait()
}

// awaitPing returns nil when the server at uri has answered a ping, or when ctx has ended.
func awaitPing(ctx context.Context, uri string, logger *slog.Logger) error {
	pingCtx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	conn := wireclient.ConnectPing(pingCtx, uri, logger)
	if conn == nil {
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("no answer to a ping within %v", readyWithin)
	}
	return conn.Close()
}
