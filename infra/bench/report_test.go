package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		numbers []float64
		want    float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1, 5}, 5},
		{[]float64{9, 1, 5, 3}, 4},
	} {
		if got := median(tt.numbers); got != tt.want {
			t.Errorf("median of %v is %v, want %v", tt.numbers, got, tt.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, tt := range []struct {
		numbers []float64
		p       int
		want    float64
	}{
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred, 100, 100},
		{hundred[:10], 50, 95}, {hundred[:10], 99, 100},
		{[]float64{4}, 50, 4}, {[]float64{4}, 99, 4},
	} {
		if got := percentile(tt.numbers, tt.p); got != tt.want {
			t.Errorf("p%d of %d numbers is %v, want %v", tt.p, len(tt.numbers), got, tt.want)
		}
	}
}

func TestResultsAreMediansJudgedByTheirTargets(t *testing.T) {
	// given three runs, of which one met a slow machine
	rows := []row{
		{name: "rate", unit: "events/s", target: ratioAtLeast(0.5)},
		{name: "delay", unit: "ms", target: ratioAtMost(2)},
		{name: "healing", unit: "ms", target: valueAtMost(20)},
		{name: "for information", unit: "ms"},
		{name: "copies", unit: "events", target: valueAtMost(0), most: true},
	}
	s := newSeries(rows)
	s.add([]float64{40, 30, 21, 1, 0}, []float64{100, 10, 5000, 1, 1})
	s.add([]float64{6, 300, 18, 3, 4}, []float64{10, 100, 5000, 2, 1})
	s.add([]float64{70, 10, 30, 2, 0}, []float64{100, 10, 5000, 2, 1})
	// then the ratio is the median of those of the runs, what must never happen is not hidden by it, and each row is judged by what it has to reach
	want := []result{
		{Name: "rate", Unit: "events/s", Value: 40, Reference: new(100.0), Ratio: new(0.6), Target: new("ratio >= 0.5"), Holds: new(true)},
		{Name: "delay", Unit: "ms", Value: 30, Reference: new(10.0), Ratio: new(3.0), Target: new("ratio <= 2"), Holds: new(false)},
		{Name: "healing", Unit: "ms", Value: 21, Reference: new(5000.0), Ratio: new(0.0042), Target: new("value <= 20"), Holds: new(false)},
		{Name: "for information", Unit: "ms", Value: 2, Reference: new(2.0), Ratio: new(1.0)},
		{Name: "copies", Unit: "events", Value: 4, Reference: new(1.0), Ratio: new(0.0), Target: new("value <= 0"), Holds: new(false)},
	}
	if diff := cmp.Diff(want, s.results()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestWithoutAReferenceOnlyTheValueIsJudged(t *testing.T) {
	s := newSeries([]row{{name: "memory", unit: "MB", target: valueAtMost(150)}, {name: "rate", unit: "1/s", target: ratioAtLeast(1)}})
	s.add([]float64{150, 7}, nil)
	want := []result{
		{Name: "memory", Unit: "MB", Value: 150, Target: new("value <= 150"), Holds: new(true)},
		{Name: "rate", Unit: "1/s", Value: 7},
	}
	if diff := cmp.Diff(want, s.results()); diff != "" {
		t.Errorf("results (-want +got):\n%s", diff)
	}
}

func TestTheTableAndTheFileSayTheSame(t *testing.T) {
	results := []result{
		{Name: "catch-up", Unit: "events/s", Value: 61234.4, Reference: new(100000.0), Ratio: new(0.612), Target: new("ratio >= 0.4"), Holds: new(true)},
		{Name: "healing", Unit: "ms", Value: 31.25, Reference: new(5000.0), Ratio: new(0.00625), Target: new("value <= 20"), Holds: new(false)},
		{Name: "memory", Unit: "MB", Value: 99},
	}
	var table bytes.Buffer
	if err := writeTable(&table, results); err != nil {
		t.Fatal(err)
	}
	want := `measurement  value  reference  unit      ratio   target        holds
catch-up     61234  100000     events/s  0.6120  ratio >= 0.4  yes
healing      31.25  5000       ms        0.0063  value <= 20   NO
memory       99.00  -          MB        -       -             -
`
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	path := filepath.Join(t.TempDir(), "bench.json")
	if err := writeJSON(path, results); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(results, readResults(t, path)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
}
