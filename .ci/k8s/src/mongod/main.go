// Command mongod is the entrypoint of the stand-in for MongoDB's image, in which there is no shell:
//
//	27017 ──> wireserver ──────────> ferretdb ──> /data/db
//	          one write at a time    passwords
//
// Like the image it takes the name and the password of its user from MONGO_INITDB_ROOT_USERNAME and
// MONGO_INITDB_ROOT_PASSWORD. When either program ends, or on SIGTERM, it ends both.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const backend = "127.0.0.1:27018"

func main() {
	user, password := os.Getenv("MONGO_INITDB_ROOT_USERNAME"), os.Getenv("MONGO_INITDB_ROOT_PASSWORD")
	if user == "" || password == "" {
		fmt.Fprintln(os.Stderr, "mongod: MONGO_INITDB_ROOT_USERNAME or MONGO_INITDB_ROOT_PASSWORD is missing")
		os.Exit(1)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)

	var running sync.WaitGroup
	for _, program := range [][]string{
		{
			"/ferretdb", "--handler=sqlite", "--sqlite-url=file:/data/db/", "--listen-addr=" + backend,
			"--test-enable-new-auth", "--setup-database=admin", "--setup-username=" + user, "--setup-password=" + password,
			"--state-dir=/tmp", "--debug-addr=-", "--telemetry=disable", "--log-level=warn",
		},
		{"/wireserver", "-listen=:27017", "-backend=" + backend, "-log=warn"},
	} {
		running.Go(func() {
			defer cancel()
			run(ctx, program)
		})
	}
	running.Wait()
}

// run runs a program until it or ctx ends.
func run(ctx context.Context, program []string) {
	cmd := exec.CommandContext(ctx, program[0], program[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "mongod: %s: %v\n", program[0], err)
	}
}
