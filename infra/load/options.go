package main

import (
	"flag"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The modes.
const (
	modeRamp   = "ramp"
	modeOpen   = "open"
	modeClosed = "closed"
)

// options are what the command line says.
type options struct {
	target   string // URL of a gateway; empty for an embedded system
	mode     string
	rate     float64 // requests a second; 0 in a closed loop for as fast as it goes
	clients  int
	inFlight int
	duration time.Duration // of a step
	limit    time.Duration // p99 above it is saturated
	seed     uint64
	mix      mix
	json     string // file for the results; empty for none
}

// mix is how often what is asked, in parts of their sum.
type mix struct {
	Reads, Creates, Updates, Orders int
}

func (m mix) total() int { return m.Reads + m.Creates + m.Updates + m.Orders }

// String is the mix as Set reads it.
func (m *mix) String() string {
	return fmt.Sprintf("reads=%d,creates=%d,updates=%d,orders=%d", m.Reads, m.Creates, m.Updates, m.Orders)
}

// Set implements flag.Value. What is not named is not asked.
func (m *mix) Set(text string) error {
	*m = mix{}
	parts := map[string]*int{"reads": &m.Reads, "creates": &m.Creates, "updates": &m.Updates, "orders": &m.Orders}
	for item := range strings.SplitSeq(text, ",") {
		name, digits, _ := strings.Cut(item, "=")
		part := parts[name]
		n, err := strconv.Atoi(digits)
		if part == nil || err != nil || n < 0 || n > 1_000_000 {
			return fmt.Errorf("%q is not reads, creates, updates or orders with =parts", item)
		}
		*part = n
	}
	if m.total() == 0 {
		return fmt.Errorf("%q asks nothing", text)
	}
	return nil
}

// Rates of the modes where none is given. The ramp begins low, where nothing waits yet.
const (
	defaultRampRate = 200
	defaultOpenRate = 200
)

func parseOptions(args []string, usage io.Writer) (options, error) {
	o := options{mix: mix{Reads: 70, Creates: 10, Updates: 10, Orders: 10}}
	flags := flag.NewFlagSet("load", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&o.target, "target", "", "URL of a gateway that runs already; without it a system is started in this process")
	flags.StringVar(&o.mode, "mode", modeRamp, "ramp: open loop, faster until it saturates; open: one rate; closed: clients that wait for answers")
	flags.Float64Var(&o.rate, "rate", 0, "requests per second; of a ramp the first (default 200; closed: as fast as it goes)")
	flags.IntVar(&o.clients, "clients", 32, "closed loop: clients")
	flags.IntVar(&o.inFlight, "inflight", 1024, "open loop: requests that may wait for their answers; what is due beyond that is dropped")
	flags.DurationVar(&o.duration, "duration", 5*time.Second, "length of a step")
	flags.DurationVar(&o.limit, "limit", 500*time.Millisecond, "a step with a p99 above it is saturated")
	flags.Uint64Var(&o.seed, "seed", 1, "decides when requests are due and what they ask")
	flags.Var(&o.mix, "mix", "what is asked, in parts")
	flags.StringVar(&o.json, "json", "", "file for the results")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.rate == 0 {
		o.rate = map[string]float64{modeRamp: defaultRampRate, modeOpen: defaultOpenRate}[o.mode]
	}
	return o, o.check()
}

func (o options) check() error {
	switch {
	case o.mode != modeRamp && o.mode != modeOpen && o.mode != modeClosed:
		return fmt.Errorf("-mode %q: must be ramp, open or closed", o.mode)
	case !(o.rate >= 0 && o.rate <= 1_000_000):
		return fmt.Errorf("-rate %v: must be between 0 and 1,000,000", o.rate)
	case o.clients < 1 || o.inFlight < 1:
		return fmt.Errorf("-clients %d, -inflight %d: must be at least 1", o.clients, o.inFlight)
	case o.duration < time.Second:
		return fmt.Errorf("-duration %v: must be at least a second", o.duration)
	}
	if u, err := url.Parse(o.target); err != nil || o.target != "" && u.Host == "" {
		return fmt.Errorf("-target %q: must be a URL such as http://127.0.0.1:8080", o.target)
	}
	return nil
}
