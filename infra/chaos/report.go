package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ticketing/infra/chaos/check"
)

// report is a whole run, as it is in chaos.json.
type report struct {
	Seed     uint64          `json:"seed"`
	Minutes  float64         `json:"minutes"`
	Profiles []profileReport `json:"profiles"`
}

// profileReport is one profile.
type profileReport struct {
	Profile  string            `json:"profile"`
	Faults   map[faultKind]int `json:"faults"`
	Skipped  []string          `json:"skipped,omitempty"`
	Requests int               `json:"requests"`
	Answered int               `json:"answered"` // with 2xx
	Tickets  int               `json:"tickets"`
	Orders   int               `json:"orders"`
	Paid     int               `json:"paid"`   // orders that are complete
	Events   uint64            `json:"events"` // that the broker has stored
	Poison   int               `json:"poison"`
	Checks   map[string]bool   `json:"checks"`
	// Recovery is from the end of a fault until a write is visible in orders, in seconds.
	Recovery struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
		Max float64 `json:"max"`
	} `json:"recovery"`
	Findings []check.Finding `json:"findings"`
}

// checks are all promises that a run looks at.
var checks = []string{
	check.CheckReplicas, check.CheckLogs, check.CheckOutbox, check.CheckParked, check.CheckHolders, check.CheckSeats,
	check.CheckEnded, check.CheckMoney, check.CheckAnswers, check.CheckLinearizable, checkRecovers, checkAlive, checkRefuses, checkSettles,
}

func (r *profileReport) setRecovery(times []time.Duration) {
	if len(times) == 0 {
		return
	}
	times = slices.Sorted(slices.Values(times))
	at := func(share float64) float64 { return times[int(share*float64(len(times)-1)+0.5)].Seconds() }
	r.Recovery.P50, r.Recovery.P99, r.Recovery.Max = at(0.5), at(0.99), at(1)
}

func (r *profileReport) setFindings(found []check.Finding) {
	r.Findings, r.Checks = found, map[string]bool{}
	for _, name := range checks {
		if name == checkRefuses && r.Faults[faultReadOnly] == 0 {
			continue // nothing was looked at
		}
		r.Checks[name] = !slices.ContainsFunc(found, func(f check.Finding) bool { return f.Check == name })
	}
}

func (r *profileReport) print(w io.Writer) {
	total := 0
	for _, n := range r.Faults {
		total += n
	}
	fmt.Fprintf(w, "\nprofile %s: %d faults, %d requests (%d answered with 2xx), %d tickets, %d orders (%d paid), %d events on the bus, %d poisoned\n",
		r.Profile, total, r.Requests, r.Answered, r.Tickets, r.Orders, r.Paid, r.Events, r.Poison)
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(w, "  %5d  %s\n", r.Faults[kind], kind)
	}
	for _, skipped := range r.Skipped {
		fmt.Fprintf(w, "  SKIPPED  %s\n", skipped)
	}
	fmt.Fprintf(w, "  recovered in %.2f s (p50), %.2f s (p99), %.2f s (max)\n", r.Recovery.P50, r.Recovery.P99, r.Recovery.Max)
	for _, name := range checks {
		if held, ok := r.Checks[name]; ok {
			fmt.Fprintf(w, "  %-6s %s\n", map[bool]string{true: "held", false: "BROKEN"}[held], name)
		}
	}
	for _, f := range r.Findings[:min(len(r.Findings), 50)] {
		fmt.Fprintf(w, "    %.500s\n", f)
	}
}

// held says that nothing was found anywhere.
func (r report) held() bool {
	return !slices.ContainsFunc(r.Profiles, func(p profileReport) bool { return len(p.Findings) > 0 })
}

// write writes chaos.json.
func (r report) write(dir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "chaos.json"), append(data, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
