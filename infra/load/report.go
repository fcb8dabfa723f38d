package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
)

// report is the outcome of a load.
type report struct {
	Mode  string `json:"mode"`
	Mix   string `json:"mix"`
	Seed  uint64 `json:"seed"`
	Cores int    `json:"cores"`
	Steps []step `json:"steps"`
}

func makeReport(o options, steps []step) report {
	return report{Mode: o.mode, Mix: o.mix.String(), Seed: o.seed, Cores: runtime.NumCPU(), Steps: steps}
}

// print writes a table, latencies in milliseconds, and what saturated first.
func (r report) print(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s, %s, seed %d, %d cores; rates per second, times in ms\n", r.Mode, r.Mix, r.Seed, r.Cores)
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "OFFERED\tACHIEVED\tP50\tP90\tP99\tP99.9\tMAX\tERRORS\tDROPPED\tCPU\tMACHINE\tDISK MB/S\tBACKLOG\tHEAP MB\t\n")
	for _, s := range r.Steps {
		fmt.Fprintf(table, "%s\t%.0f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%d\t%d\t", s.offered(), s.Achieved,
			s.P50.Seconds()*1e3, s.P90.Seconds()*1e3, s.P99.Seconds()*1e3, s.P999.Seconds()*1e3, s.Max.Seconds()*1e3,
			s.Wrong+s.Refused, s.Dropped)
		if s.Embedded {
			fmt.Fprintf(table, "%.0f%%\t%.0f%%\t%.1f\t%.0f\t%.0f\t\n", 100*s.CPU, 100*s.MachineCPU, s.DiskMBs, s.BacklogEnd, s.HeapMB)
		} else {
			fmt.Fprint(table, "-\t-\t-\t-\t-\t\n")
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	text.WriteString(r.verdict())
	if _, err := io.WriteString(w, text.String()); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

func (s step) offered() string {
	if s.Offered == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f", s.Offered)
}

// verdict is about the last step: a ramp ends where it saturates.
func (r report) verdict() string {
	if len(r.Steps) == 0 {
		return "nothing was measured\n"
	}
	last := r.Steps[len(r.Steps)-1]
	if last.Offered == 0 {
		return "a closed loop without a rate offers what is taken: these clients get no more\n"
	}
	if last.Saturated == "" {
		return "not saturated\n"
	}
	text := fmt.Sprintf("saturated at %s: %s\nat its limit first: %s\n", last.offered(), last.Saturated, last.Limit)
	if best := r.best(); best > 0 {
		text += fmt.Sprintf("the highest rate it kept up with: %.0f\n", best)
	}
	return text
}

// best is the highest rate that did not saturate.
func (r report) best() (best float64) {
	for _, s := range r.Steps {
		if s.Saturated == "" {
			best = max(best, s.Achieved)
		}
	}
	return best
}

// writeJSON writes the report to a file; nothing where path is empty.
func (r report) writeJSON(path string) error {
	if path == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("results as JSON: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("results as JSON: %w", err)
	}
	return nil
}

// unexpected is an error where any answer was not what the API promises, with some of them.
func unexpected(steps []step) error {
	var wrong int64
	var faults []string
	for _, s := range steps {
		wrong += s.Wrong
		faults = append(faults, s.Faults...)
	}
	if wrong == 0 {
		return nil
	}
	return fmt.Errorf("%d unexpected answers, such as:\n  %s", wrong, strings.Join(faults, "\n  "))
}
