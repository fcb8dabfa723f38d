package main

import (
	"strings"
	"testing"
	"time"
)

func TestWhatTheMachineTellsIsRead(t *testing.T) {
	got := parseMachineTime([]byte("cpu  10 20 30 400 50 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"))
	if want := (machineTime{all: 531, idle: 400, ioWait: 50}); got != want {
		t.Errorf("read %+v, want %+v", got, want)
	}
	if got := parseMachineTime([]byte("none of it")); got != (machineTime{}) {
		t.Errorf("read %+v from nothing", got)
	}
	if got := parseWritten([]byte("read_bytes: 1\nwrite_bytes: 4096\ncancelled_write_bytes: 2\n")); got != 4096 {
		t.Errorf("read %d bytes, want 4096", got)
	}
	const metrics = "# TYPE ticketing_outbox_waiting gauge\nticketing_outbox_waiting_more 5\nticketing_outbox_waiting 12\n"
	if got, err := readMetric(strings.NewReader(metrics), "ticketing_outbox_waiting"); got != 12 || err != nil {
		t.Errorf("read %v, %v, want 12", got, err)
	}
	if _, err := readMetric(strings.NewReader("\n"), "ticketing_outbox_waiting"); err == nil {
		t.Error("read a metric that is not there")
	}
}

func TestWhatAStepHasUsed(t *testing.T) {
	before := usage{at: time.Unix(100, 0), written: 1e6, machine: machineTime{all: 1000, idle: 500, ioWait: 100}}
	after := usage{at: time.Unix(102, 0), written: 9e6, machine: machineTime{all: 2000, idle: 800, ioWait: 300}}
	got := after.since(before)
	got.HeapMB = 0 // as it happens to be
	if want := (spent{MachineCPU: 0.5, DiskWait: 0.2, DiskMBs: 4}); got != want {
		t.Errorf("used %+v, want %+v", got, want)
	}
}
