package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// How a ramp goes on: each rate is 1.5 times the last one; after so many steps it ends.
const (
	rampFactor   = 1.5
	rampMaxSteps = 40
)

// settleTime is how long the events of one step may take to be finished before the next one.
const settleTime = 10 * time.Second

// loader takes the steps of a load.
type loader struct {
	options  options
	target   *target
	api      *api
	work     *workload
	progress io.Writer
}

// newLoader signs users up and makes their tickets. The caller closes the api.
func newLoader(ctx context.Context, o options, t *target, progress io.Writer) (*loader, error) {
	a := newAPI(t.gateway, max(o.inFlight, o.clients))
	work, err := prepare(ctx, a, o.mix)
	if err != nil {
		a.close()
		return nil, fmt.Errorf("prepare: %w", err)
	}
	return &loader{options: o, target: t, api: a, work: work, progress: progress}, nil
}

// take returns the steps taken, also with an error.
func (l *loader) take(ctx context.Context) ([]step, error) {
	if l.options.mode == modeRamp {
		return l.ramp(ctx)
	}
	s, err := l.step(ctx, 1, l.options.rate)
	return []step{s}, err
}

// ramp takes faster and faster steps. One that saturates is taken again, as the neighbours of a shared machine may
// have done it; the second in a row is the last. Answers that are wrong end it, too.
func (l *loader) ramp(ctx context.Context) (steps []step, err error) {
	rate, again := l.options.rate, false
	for n := 1; n <= rampMaxSteps; n++ {
		s, err := l.step(ctx, n, rate)
		steps = append(steps, s)
		if err != nil || s.Wrong > 0 || s.Saturated != "" && again {
			return steps, err
		}
		again = s.Saturated != ""
		if !again {
			rate *= rampFactor
		}
		if err := l.settle(ctx); err != nil {
			return steps, err
		}
	}
	return steps, nil
}

// step loads the system for the length of a step, watches it meanwhile, and judges.
func (l *loader) step(ctx context.Context, n int, rate float64) (s step, err error) {
	rec := newRecorder()
	before, err := readUsage()
	if err != nil {
		return s, err
	}
	watching, stopWatching := context.WithCancel(ctx)
	var watch errgroup.Group
	watch.Go(func() error { l.report(watching, n, rate, rec); return nil })
	watch.Go(func() (err error) { s.BacklogMiddle, err = l.backlogInTheMiddle(watching); return err })
	l.load(ctx, n, rate, rec)
	after, err := readUsage()
	stopWatching()
	if err = errors.Join(err, watch.Wait()); err == nil {
		s.BacklogEnd, err = l.backlog(ctx)
	}
	s.BacklogOver = time.Since(before.at).Seconds() - l.options.duration.Seconds()/2
	s.spent = after.since(before)
	s.fill(rec.total(), l.options.duration, after.at.Sub(before.at))
	l.judge(&s, rate)
	return s, err
}

// judge says what was offered, whether it was too much, and why.
func (l *loader) judge(s *step, rate float64) {
	s.Offered = rate
	if l.options.mode != modeClosed { // what was due: chance makes it differ
		s.Offered = float64(s.Sent+s.Dropped) / l.options.duration.Seconds()
	}
	s.Embedded = l.target.backlog != nil
	s.Faults = l.api.takeFaults()
	if s.Saturated = saturation(*s, l.options.limit); s.Saturated != "" {
		s.Limit = firstLimit(*s)
	}
}

// load sends the requests of a step and returns when they are answered.
func (l *loader) load(ctx context.Context, n int, rate float64, rec *recorder) {
	if l.options.mode == modeClosed {
		closedLoop{
			rate: rate, clients: l.options.clients, duration: l.options.duration,
			random: func(client int) *rand.Rand { return rand.New(rand.NewPCG(l.options.seed, uint64(client))) },
			next:   l.work.next, send: l.api.send,
		}.run(ctx, rec)
		return
	}
	openLoop{
		rate: rate, inFlight: l.options.inFlight, duration: l.options.duration,
		random: rand.New(rand.NewPCG(l.options.seed, uint64(n))), next: l.work.next, send: l.api.send,
	}.run(ctx, rec)
}

// fill takes over what was counted.
func (s *step) fill(total sample, length, took time.Duration) {
	s.counts = total.counts
	s.Achieved = float64(total.Expected) / max(length, took).Seconds()
	s.P50, s.P90 = total.percentile(50), total.percentile(90)
	s.P99, s.P999 = total.percentile(99), total.percentile(99.9)
	s.Max = total.max()
}

// backlog is how many events are on their way; 0 where that is not known.
func (l *loader) backlog(ctx context.Context) (float64, error) {
	if l.target.backlog == nil {
		return 0, nil
	}
	return l.target.backlog.count(ctx)
}

// backlogInTheMiddle waits for half a step. A step that ends before is no error.
func (l *loader) backlogInTheMiddle(ctx context.Context) (float64, error) {
	if !sleepUntil(ctx, time.Now().Add(l.options.duration/2)) {
		return 0, nil
	}
	events, err := l.backlog(ctx)
	if ctx.Err() != nil {
		return 0, nil
	}
	return events, err
}

// settle waits until few events are on their way, but not for ever.
func (l *loader) settle(ctx context.Context) error {
	for end := time.Now().Add(settleTime); time.Now().Before(end); {
		if events, err := l.backlog(ctx); err != nil || events < smallBacklog {
			return err
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
