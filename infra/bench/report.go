package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

// row is a line of the report.
type row struct {
	name, unit string
	target     target
	most       bool // the run with the most counts, not the median: of what must never happen
}

// target is what a row has to reach. The zero value is none.
type target struct {
	of    string // "ratio" or "value"
	least bool   // the limit is the least allowed, else the most
	limit float64
}

func ratioAtLeast(limit float64) target { return target{of: "ratio", least: true, limit: limit} }
func ratioAtMost(limit float64) target  { return target{of: "ratio", limit: limit} }
func valueAtMost(limit float64) target  { return target{of: "value", limit: limit} }

// String returns "ratio >= 0.4".
func (t target) String() string {
	sign := "<="
	if t.least {
		sign = ">="
	}
	return fmt.Sprintf("%s %s %g", t.of, sign, t.limit)
}

func (t target) reachedBy(number float64) bool {
	if t.least {
		return number >= t.limit
	}
	return number <= t.limit
}

// result is a row as measured. Reference and Ratio are nil where there is nothing to compare with, Target
// and Holds where nothing is demanded.
type result struct {
	Name      string   `json:"name"`
	Value     float64  `json:"value"`
	Unit      string   `json:"unit"`
	Reference *float64 `json:"reference"`
	Ratio     *float64 `json:"ratio"`
	Target    *string  `json:"target"`
	Holds     *bool    `json:"holds"`
}

// series collects the numbers of a measurement's runs.
type series struct {
	rows               []row
	values, references [][]float64 // by row, then by run
}

func newSeries(rows []row) *series {
	return &series{rows: rows, values: make([][]float64, len(rows)), references: make([][]float64, len(rows))}
}

// add takes the numbers of one run, one for each row; references may be nil.
func (s *series) add(values, references []float64) {
	for i := range s.rows {
		s.values[i] = append(s.values[i], values[i])
		if references != nil {
			s.references[i] = append(s.references[i], references[i])
		}
	}
}

// results are the medians. The ratio is the median of the runs' own ratios, since what a run is compared
// with was measured moments before or after it; it can differ from the quotient of the two medians.
func (s *series) results() []result {
	results := make([]result, len(s.rows))
	for i, r := range s.rows {
		results[i] = result{Name: r.name, Unit: r.unit, Value: median(s.values[i])}
		if r.most {
			results[i].Value = slices.Max(s.values[i])
		}
		if len(s.references[i]) > 0 {
			ratios := make([]float64, len(s.values[i]))
			for run, value := range s.values[i] {
				ratios[run] = value / s.references[i][run]
			}
			results[i].Reference, results[i].Ratio = new(median(s.references[i])), new(median(ratios))
		}
		results[i].judge(r.target)
	}
	return results
}

func (r *result) judge(t target) {
	number := &r.Value
	if t.of == "ratio" {
		number = r.Ratio
	}
	if t == (target{}) || number == nil {
		return
	}
	r.Target, r.Holds = new(t.String()), new(t.reachedBy(*number))
}

// median is the middle one of numbers, or the mean of the two in the middle. There must be one.
func median(numbers []float64) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// percentile is the least of numbers that at least p percent of them do not exceed. There must be one.
func percentile(numbers []float64, p int) float64 {
	sorted := slices.Sorted(slices.Values(numbers))
	return sorted[max(0, (len(sorted)*p+99)/100-1)]
}

// writeTable prints results for people.
func writeTable(w io.Writer, results []result) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "measurement\tvalue\treference\tunit\tratio\ttarget\tholds")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Name, figures(r.Value), shown(r.Reference, figures), r.Unit,
			shown(r.Ratio, figures), shown(r.Target, func(t string) string { return t }), shown(r.Holds, yesNo))
	}
	return table.Flush()
}

func shown[T any](value *T, format func(T) string) string {
	if value == nil {
		return "-"
	}
	return format(*value)
}

func yesNo(holds bool) string {
	if holds {
		return "yes"
	}
	return "NO"
}

// figures writes a number with about three digits that mean something.
func figures(number float64) string {
	switch {
	case number >= 100:
		return fmt.Sprintf("%.0f", number)
	case number >= 1:
		return fmt.Sprintf("%.2f", number)
	default:
		return fmt.Sprintf("%.4f", number)
	}
}

// writeJSON writes results to a file whose folder is created where missing.
func writeJSON(path string, results []result) error {
	var data bytes.Buffer
	encoder := json.NewEncoder(&data)
	encoder.SetEscapeHTML(false) // people read ">=" there
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(results); err != nil {
		return fmt.Errorf("encode the results: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	if err := os.WriteFile(path, data.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	return nil
}
