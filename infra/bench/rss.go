package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// rssAnon is the memory of a process that is its own, in MB: not what it maps of files, which the system
// takes back when it needs it. Linux alone tells.
func rssAnon(pid int) (float64, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	status, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("memory of a process: %w", err)
	}
	return parseRSSAnon(status)
}

// parseRSSAnon reads the line "RssAnon:	   20480 kB" of a process's status.
func parseRSSAnon(status []byte) (float64, error) {
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		rest, found := strings.CutPrefix(lines.Text(), "RssAnon:")
		if !found {
			continue
		}
		var kibibytes int
		if _, err := fmt.Sscanf(rest, "%d kB", &kibibytes); err != nil {
			return 0, fmt.Errorf("memory of a process: %q: %w", lines.Text(), err)
		}
		return float64(kibibytes) * 1024 / 1e6, nil
	}
	return 0, errors.New("memory of a process: its status has no RssAnon")
}

// errNotMeasured: this cannot be measured here. It is no failure of the bench.
var errNotMeasured = errors.New("not measured")

// memoryCanBeTaken returns errNotMeasured where the system does not tell RssAnon.
func memoryCanBeTaken() error {
	if _, err := rssAnon(os.Getpid()); err != nil {
		return fmt.Errorf("%w: %w", errNotMeasured, err)
	}
	return nil
}

// idleTime is how long a program is watched that does nothing.
const idleTime = 500 * time.Millisecond

// idleMemory returns the most that a program holds after it has become ready, while it does nothing.
func (p *program) idleMemory(ctx context.Context) (float64, error) {
	if _, err := p.awaitReady(ctx); err != nil {
		return 0, err
	}
	samples, err := watchMemory(ctx, p.PID(), func(ctx context.Context) error {
		select {
		case <-time.After(idleTime):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil {
		return 0, err
	}
	return slices.Max(samples), nil
}

// watchMemory takes the memory of a process every few milliseconds while work goes on, and at its end.
func watchMemory(ctx context.Context, pid int, work func(context.Context) error) (samples []float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- work(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		sample, err := rssAnon(pid)
		if err != nil {
			cancel()
			return nil, errors.Join(err, <-ended)
		}
		samples = append(samples, sample)
		select {
		case err := <-ended:
			return samples, err
		case <-tick.C:
		}
	}
}

// halves are the most of the first half of samples and of the second.
func halves(samples []float64) (first, second float64) {
	middle := (len(samples) + 1) / 2
	first = slices.Max(samples[:middle])
	if middle == len(samples) {
		return first, first
	}
	return first, slices.Max(samples[middle:])
}
