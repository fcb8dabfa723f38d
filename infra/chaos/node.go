package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"ticketing/infra/chaos/process"
)

// node is a program of the system: it comes back at the same addresses with the same data.
type node struct {
	name string
	spec process.Spec
	log  *os.File

	mu      sync.Mutex
	process *process.Process // nil while it is down
}

// newNode does not start it. Everything it says goes to a file in dir.
func newNode(dir, name, path, up string, env ...string) (*node, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", name, err)
	}
	n := &node{name: name, log: log}
	n.spec = process.Spec{
		Name: name, Path: path, Env: env,
		Line: func(line []byte) { _, _ = log.Write(line) }, // a log that cannot be written is no fault of the system
		Up:   func(line []byte) bool { return strings.Contains(string(line), up) },
	}
	return n, nil
}

// start starts it and waits until it listens.
func (n *node) start(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := process.Start(ctx, n.spec)
	if err != nil {
		return err
	}
	n.process = p
	return nil
}

// kill kills it as kill -9 does; one that is down stays so.
func (n *node) kill() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process != nil {
		n.process.Kill()
		n.process = nil
	}
}

// stop asks it to end, and reports where it did not in time or had ended before.
func (n *node) stop(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return nil
	}
	err := n.process.Err()
	if err != nil {
		err = fmt.Errorf("%s had ended by itself: %w", n.name, err)
	}
	err = errors.Join(err, n.process.Stop(ctx))
	n.process = nil
	return err
}

// running is its process, or an error where it is down or has ended by itself.
func (n *node) running() (*process.Process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.process == nil {
		return nil, fmt.Errorf("%s is down", n.name)
	}
	if err := n.process.Err(); err != nil {
		return nil, fmt.Errorf("%s has ended by itself: %w", n.name, err)
	}
	return n.process, nil
}

func (n *node) close() error {
	n.kill()
	return n.log.Close()
}
