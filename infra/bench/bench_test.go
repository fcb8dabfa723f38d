package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tiny sizes: what is measured is not looked at.
func tiny(out string, more ...string) []string {
	return slices.Concat([]string{
		"-runs", "2", "-events", "300", "-tickets", "40", "-outbox", "200", "-outbox-tickets", "30", "-reactions", "200", "-reaction-tickets", "30", "-posts", "100", "-clients", "4", "-reads", "100", "-samples", "5", "-swaps", "3", "-slow", "30",
		"-full", "-large", "400", "-small", "40", "-changes", "200", "-writes", "100", "-due", "20", "-out", out,
	}, more)
}

// readResults reads a result file, and refuses fields that are not of its form.
func readResults(t *testing.T, path string) []result {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	var results []result
	if err := decoder.Decode(&results); err != nil {
		t.Fatal(err)
	}
	return results
}

func TestEveryMeasurementIsTakenAndReported(t *testing.T) {
	// given sizes that take a moment, when all is measured
	out := filepath.Join(t.TempDir(), "new", "bench.json")
	var table, progress bytes.Buffer
	if err := run(t.Context(), tiny(out), &table, &progress); err != nil {
		t.Fatal(err)
	}
	// then each row is in the file, with its unit, all numbers and the judgement of its target
	type shape struct{ Name, Unit, Target string }
	var got []shape
	for _, r := range readResults(t, out) {
		if !measured(r) {
			t.Errorf("%s was not measured: %+v", r.Name, r)
		}
		target := ""
		if r.Target != nil {
			target = *r.Target
		}
		if (r.Holds == nil) != (r.Target == nil) {
			t.Errorf("%s is judged without a target, or not by it", r.Name)
		}
		got = append(got, shape{r.Name, r.Unit, target})
		if !strings.Contains(table.String(), r.Name) {
			t.Errorf("the table lacks %s:\n%s", r.Name, &table)
		}
	}
	want := []shape{
		{"catch-up, 300 events of 40 tickets", "events/s", "ratio >= 0.4"},
		{"catch-up, 300 events of 40 tickets, CPU", "us/event", ""},
		{"catch-up, 300 events of 40 tickets, allocations", "allocs/event", ""},
		{"catch-up, 300 events of 40 tickets, allocated", "B/event", ""},
		{"catch-up by two members, 300 events of 40 tickets", "events/s", "ratio >= 0.9"},
		{"catch-up by two members, 300 events of 40 tickets, CPU", "us/event", ""},
		{"catch-up by two members, 300 events of 40 tickets, allocations", "allocs/event", ""},
		{"catch-up by two members, 300 events of 40 tickets, allocated", "B/event", ""},
		{"reactions to 200 events of 30 tickets", "events/s", "ratio >= 0.2"},
		{"reactions to 200 events of 30 tickets, CPU", "us/event", ""},
		{"reactions to 200 events of 30 tickets, allocations", "allocs/event", ""},
		{"reactions to 200 events of 30 tickets, allocated", "B/event", ""},
		{"publish, 200 events of 30 tickets", "events/s", "ratio >= 0.5"},
		{"publish, 200 events of 30 tickets, CPU", "us/event", ""},
		{"publish, 200 events of 30 tickets, allocations", "allocs/event", ""},
		{"publish, 200 events of 30 tickets, allocated", "B/event", ""},
		{"write path", "requests/s", "ratio >= 0.6"},
		{"write path, CPU", "us/request", ""},
		{"write path, allocations", "allocs/request", ""},
		{"write path, allocated", "B/request", ""},
		{"write path, beside bare net/http with the same two writes", "requests/s", ""},
		{"read path", "requests/s", "ratio >= 0.5"},
		{"read path, CPU", "us/request", ""},
		{"read path, allocations", "allocs/request", ""},
		{"read path, allocated", "B/request", ""},
		{"201 to visible p50", "ms", "ratio <= 3"},
		{"201 to visible p99", "ms", "ratio <= 5"},
		{"order to reserved ticket p50", "ms", ""},
		{"order to reserved ticket p99", "ms", ""},
		{"order to paid to complete p50", "ms", ""},
		{"order to paid to complete p99", "ms", ""},
		{"healing of a swap p50", "ms", "value <= 20"},
		{"healing of a swap p99", "ms", "value <= 20"},
		{"slow store, 30 events, those that came again", "events", "value <= 0"},
		{"slow store, 30 events, time to drain", "ms", ""},
		{"binary, the largest", "MB", "value <= 25"},
		{"binary, with the broker inside", "programs", "value <= 0"},
		{"catch-up, cost per event at 400 tickets, reference at 40", "of bolt's", "ratio <= 1.3"},
		{"write path, cost per request at 400 tickets, reference at 40", "of bolt's", "ratio <= 1.3"},
		{"memory of tickets at 400 tickets, idle", "MB", "value <= 150"},
		{"memory of tickets at 400 tickets, creating 100", "MB", "value <= 150"},
		{"memory of orders at 400 tickets, idle", "MB", "value <= 150"},
		{"memory of orders at 400 tickets, catching up 300 events", "MB", "value <= 150"},
		{"memory of orders at 400 tickets, catching up 300 events, second half", "of the first's", "value <= 1.2"},
		{"start of tickets at 400 tickets, reference at none", "ms", "value <= 1000"},
		{"start of orders at 400 tickets, reference at none", "ms", "value <= 1000"},
		{"expiration at 400 pending deadlines, start", "ms", "value <= 2000"},
		{"expiration at 400 pending deadlines, late p99", "ms", "value <= 250"},
		{"expiration at 400 pending deadlines, memory", "MB", "value <= 200"},
	}
	if err := memoryCanBeTaken(); err != nil {
		t.Logf("memory of programs: %v", err)
		want = slices.DeleteFunc(want, func(s shape) bool {
			return strings.HasPrefix(s.Name, "memory") || strings.HasPrefix(s.Name, "expiration")
		})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	// and nothing in the system found anything to warn of
	if strings.Contains(progress.String(), "level=") {
		t.Errorf("warnings:\n%s", &progress)
	}
}

// measured tells whether a result has its numbers: of a count that is best 0 just that, else a value, with
// its reference unless the target is one of a value alone.
func measured(r result) bool {
	switch {
	case r.Name == "binary, with the broker inside", strings.HasSuffix(r.Name, "came again"):
		return r.Value == 0 && r.Reference == nil
	case r.Name == "binary, the largest", strings.HasPrefix(r.Name, "memory"), strings.HasPrefix(r.Name, "expiration"), strings.HasSuffix(r.Name, "to drain"):
		return r.Value > 0.1 && r.Reference == nil
	default:
		return r.Value > 0 && r.Reference != nil && *r.Reference > 0 && r.Ratio != nil && *r.Ratio > 0
	}
}

func TestAMeasurementAloneIsProfiledWithoutItsReference(t *testing.T) {
	// given one measurement, when it is taken for its profile
	dir := t.TempDir()
	out := filepath.Join(dir, "bench.json")
	args := tiny(out, "-only", "write", "-alone", "-profile", dir)
	if err := run(t.Context(), args, new(bytes.Buffer), new(bytes.Buffer)); err != nil {
		t.Fatal(err)
	}
	// then it has no ratio to be judged by
	results := readResults(t, out)
	if len(results) != 4 || results[0].Name != "write path" {
		t.Fatalf("measured %+v, want the write path alone", results)
	}
	if r := results[0]; r.Reference != nil || r.Ratio != nil || r.Target != nil || r.Holds != nil {
		t.Errorf("compared with nothing: %+v", r)
	}
	// and both profiles are there
	for _, name := range []string{"write-path.cpu.pprof", "write-path.allocs.pprof"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestArgumentsThatMeasureNothing(t *testing.T) {
	for name, args := range map[string][]string{
		"no run":                    {"-runs", "0"},
		"no sample":                 {"-samples", "0"},
		"tickets without events":    {"-events", "5", "-tickets", "6"},
		"reactions to no events":    {"-reactions", "5", "-reaction-tickets", "6"},
		"outboxes without events":   {"-outbox", "5", "-outbox-tickets", "6"},
		"an unknown measurement":    {"-only", "nothing"},
		"an argument":               {"catch-up"},
		"an unknown flag":           {"-fast"},
		"a number that is not one":  {"-runs", "many"},
		"a negative number of them": {"-swaps", "-1"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := run(t.Context(), args, new(bytes.Buffer), new(bytes.Buffer)); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestTheSizesAreThoseOfTheTargetsUnlessToldOtherwise(t *testing.T) {
	for _, tt := range []struct {
		args            []string
		events, tickets int
		names           string
	}{
		{nil, 500_000, 50_000, "catch-up, 500k events of 50k tickets"},
		{[]string{"-full", "-events", "60001"}, 60_001, 50_000, "catch-up, 60001 events of 50k tickets"},
		{[]string{"-tickets", "400", "-full", "-events", "2000000"}, 2_000_000, 400, "catch-up, 2M events of 400 tickets"},
	} {
		o, err := parseOptions(tt.args, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if o.sizes.events != tt.events || o.sizes.tickets != tt.tickets {
			t.Errorf("%v: %d events of %d tickets, want %d of %d", tt.args, o.sizes.events, o.sizes.tickets, tt.events, tt.tickets)
		}
		if name := measurements(o)[0].rows[0].name; name != tt.names {
			t.Errorf("%v measures %q, want %q", tt.args, name, tt.names)
		}
	}
}

func TestHistoryIsWhatAServiceCouldHavePublished(t *testing.T) {
	const events, tickets = 1000, 30
	next := map[string]int64{}
	for i, e := range history(events, tickets) {
		if int64(e.Version) != next[string(e.ID)] {
			t.Fatalf("event %d has version %d, its ticket stands before %d", i, e.Version, next[string(e.ID)])
		}
		next[string(e.ID)]++
	}
	total := int64(0)
	for _, versions := range next {
		total += versions
	}
	if len(next) != tickets || total != events {
		t.Errorf("%d events of %d tickets, want %d of %d", total, len(next), events, tickets)
	}
}

func TestACopyIsCountedOnce(t *testing.T) {
	left := newCountdown(map[string]int{"a": 2, "b": 1})
	for _, e := range []struct {
		channel  string
		sequence uint64
	}{{"a", 1}, {"b", 1}, {"a", 1}} {
		left.count(e.channel, e.sequence)
	}
	select {
	case <-left.done:
		t.Fatal("done before the second event of a")
	default:
	}
	left.count("a", 2)
	if err := left.wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestAPopulationGoesOnWhereItWas(t *testing.T) {
	tickets := newPopulation(newIDs(7))
	stands := map[string]int64{}
	for range 3 { // runs
		for i, e := range tickets.change(50) {
			if want := stands[string(e.ID)] + 1; int64(e.Version) != want {
				t.Fatalf("event %d has version %d, want %d", i, e.Version, want)
			}
			stands[string(e.ID)] = int64(e.Version)
		}
	}
	if len(stands) != 7 {
		t.Errorf("%d tickets changed, want all 7", len(stands))
	}
}
