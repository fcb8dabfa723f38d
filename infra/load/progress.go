package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// report prints a line each second until ctx ends.
func (l *loader) report(ctx context.Context, n int, rate float64, rec *recorder) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			recent, inFlight := rec.look()
			printProgress(l.progress, n, rate, recent, inFlight)
		}
	}
}

// printProgress shows one second. A failing terminal is no reason to stop.
func printProgress(w io.Writer, n int, rate float64, s sample, inFlight int64) {
	asked := "as fast as it goes"
	if rate > 0 {
		asked = fmt.Sprintf("%.0f/s", rate)
	}
	fmt.Fprintf(w, "step %d, %s: sent %d, answered %d, p50 %s, p99 %s, in flight %d, errors %d, dropped %d\n",
		n, asked, s.Sent, s.answers(), milliseconds(s.percentile(50)), milliseconds(s.percentile(99)), inFlight, s.Wrong+s.Refused, s.Dropped)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
