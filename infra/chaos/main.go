// Command chaos breaks a running system, at random and for a long time, and checks that it has kept its promises.
//
//	load ──> [proxy] ──> tickets, orders, payments ──> [proxy] ──> broker, stores      every program a process, every
//	  │                      expiration, diary ────────┘                               connection through a proxy
//	  │    nemesis: a seeded schedule of kills, pauses, cuts, delays, resets, full disks, poison
//	  │    after each round of faults: how long until a write is visible in orders again
//	  └─> history ──┐
//	stores ─> books ┴─> check.All, check.Paid ──> report: text, build/chaos.json; exit code 0 only if nothing was found
//
// Two profiles: bolt, where each service is one process with a file of its own and two members of orders share
// one handle; and mongo, where two processes of each service share a server, here the stand-in that
// pkg/store/mongo/wireserver is.
//
// The seed decides the schedule, not the interleaving: a run with the same seed has the same faults in the same
// order, and ends where the time does.
//
// Files: schedule.go decides what is broken, nemesis.go breaks it, network.go and disk.go are its tools; node.go and
// system.go run the programs, roles.go are those that exist for this program only; run.go is one profile from
// its start to its report.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"time"

	"ticketing/pkg/app"
)

// profiles are the ways in which the system is deployed.
var profiles = []string{profileBolt, profileMongo}

const (
	profileBolt  = "bolt"
	profileMongo = "mongo"
)

// options are what the command line says.
type options struct {
	minutes  float64
	seed     uint64
	profiles []string
	dir      string
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		runRole(role)
	}
	o, err := parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(2)
	}
	app.Main("chaos", func(ctx context.Context, _ *slog.Logger) error { return o.run(ctx) })
}

func parse(args []string) (options, error) {
	o := options{}
	profile := ""
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.Float64Var(&o.minutes, "minutes", 1, "how long each profile is broken")
	flags.Uint64Var(&o.seed, "seed", 0, "what decides the schedule; 0 takes one at random")
	flags.StringVar(&profile, "profile", "both", "bolt, mongo or both")
	flags.StringVar(&o.dir, "dir", "build", "where the report, the logs and the programs go")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch profile {
	case "both":
		o.profiles = profiles
	case profileBolt, profileMongo:
		o.profiles = []string{profile}
	default:
		return o, fmt.Errorf("-profile is %q, not bolt, mongo or both", profile)
	}
	if o.minutes <= 0 {
		return o, fmt.Errorf("-minutes is %v, not above 0", o.minutes)
	}
	if o.seed == 0 {
		o.seed = 1 + rand.Uint64N(1_000_000)
	}
	return o, nil
}

// run runs the profiles one after the other. It returns an error where a promise was broken or a run could not
// be made.
func (o options) run(ctx context.Context) error {
	fmt.Printf("seed %d, %v minutes of faults for each profile\n", o.seed, o.minutes)
	programs, err := build(ctx, o.dir, o.profiles)
	if err != nil {
		return err
	}
	whole := report{Seed: o.seed, Minutes: o.minutes}
	for _, profile := range o.profiles {
		r, err := runProfile(ctx, profile, o, programs)
		if err != nil {
			return fmt.Errorf("profile %s: %w", profile, err)
		}
		r.print(os.Stdout)
		whole.Profiles = append(whole.Profiles, r)
	}
	err = whole.write(o.dir)
	if !whole.held() {
		err = errors.Join(err, fmt.Errorf("a promise was broken; replay the schedule with SEED=%d", o.seed))
	}
	return err
}

// length is how long a profile is broken.
func (o options) length() time.Duration { return time.Duration(o.minutes * float64(time.Minute)) }
