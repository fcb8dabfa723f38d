package main

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// meter takes what a number of equal things cost, from when it was started. CPU and allocations are those of the
// whole process: broker and clients run in it beside what is measured, and the reference shows what they cost.
// Others who use the machine change the CPU less than the rate.
type meter struct {
	began  time.Time
	cpu    time.Duration
	failed error // to read the CPU at the start
	before runtime.MemStats
}

func startMeter() *meter {
	m := &meter{}
	runtime.ReadMemStats(&m.before)
	m.cpu, m.failed = cpuTime()
	m.began = time.Now()
	return m
}

// read returns the rate of n things, and the CPU in microseconds, the allocations and allocated bytes of each.
func (m *meter) read(n int) ([]float64, error) {
	rate := perSecond(n, m.began)
	cpu, err := cpuTime()
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	return []float64{
		rate,
		float64((cpu - m.cpu).Nanoseconds()) / 1e3 / float64(n),
		float64(after.Mallocs-m.before.Mallocs) / float64(n),
		float64(after.TotalAlloc-m.before.TotalAlloc) / float64(n),
	}, errors.Join(m.failed, err)
}

// cpuTime is the CPU that this process has used.
func cpuTime() (time.Duration, error) {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		return 0, fmt.Errorf("read the CPU of this process: %w", err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), nil
}

// metered are the rows of what a meter reads. Only the rate has to reach something.
func metered(name, thing string, rate target) []row {
	return []row{
		{name: name, unit: thing + "s/s", target: rate},
		{name: name + ", CPU", unit: "us/" + thing},
		{name: name + ", allocations", unit: "allocs/" + thing},
		{name: name + ", allocated", unit: "B/" + thing},
	}
}
