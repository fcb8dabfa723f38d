package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ticketing/infra/chaos/check"
)

func TestAReportTellsWhatWasBroken(t *testing.T) {
	// given a run with one finding
	r := profileReport{Profile: "bolt", Faults: map[faultKind]int{faultKill: 3, faultCut: 2}, Skipped: []string{"disk full: no"}}
	r.setRecovery([]time.Duration{3 * time.Second, time.Second, 2 * time.Second})
	r.setFindings([]check.Finding{{Check: check.CheckLogs, Entity: "diary/1", Detail: "version 3 was applied twice"}})
	// then the text and the file say so
	var text strings.Builder
	r.print(&text)
	for _, want := range []string{
		"5 faults", "2.00 s (p50), 3.00 s (p99)", "BROKEN " + check.CheckLogs, "held   " + check.CheckReplicas,
		"version 3 was applied twice", "SKIPPED  disk full: no",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q:\n%s", want, text.String())
		}
	}
	if strings.Contains(text.String(), checkRefuses) {
		t.Errorf("the text tells of a check that was not made:\n%s", text.String())
	}
	whole := report{Seed: 7, Profiles: []profileReport{r}}
	if whole.held() {
		t.Error("the run counts as one that held")
	}
	dir := t.TempDir()
	if err := whole.write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "chaos.json"))
	var read report
	if err == nil {
		err = json.Unmarshal(data, &read)
	}
	if err != nil || read.Seed != 7 || len(read.Profiles) != 1 || read.Profiles[0].Checks[check.CheckLogs] {
		t.Errorf("read %+v, %v", read, err)
	}
}

func TestFlags(t *testing.T) {
	for _, test := range []struct {
		args string
		ok   bool
	}{
		{"", true}, {"-minutes 30 -seed 1 -profile bolt", true}, {"-profile both", true},
		{"-profile disk", false}, {"-minutes 0", false}, {"-minutes x", false},
	} {
		o, err := parse(strings.Fields(test.args))
		if (err == nil) != test.ok || (test.ok && o.seed == 0) {
			t.Errorf("%q: %+v, %v", test.args, o, err)
		}
	}
}
