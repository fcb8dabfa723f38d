package main

import (
	"runtime"
	"time"
)

// meter takes what a number of equal things cost, from when it was started. Allocations are those of the
// whole process: where it runs the broker and clients beside what is measured, theirs are in the figure, and
// the reference tells how many they are.
type meter struct {
	began  time.Time
	before runtime.MemStats
}

func startMeter() *meter {
	m := &meter{}
	runtime.ReadMemStats(&m.before)
	m.began = time.Now()
	return m
}

// read returns the rate of n things, and the allocations and allocated bytes of each.
func (m *meter) read(n int) []float64 {
	rate := perSecond(n, m.began)
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	return []float64{
		rate,
		float64(after.Mallocs-m.before.Mallocs) / float64(n),
		float64(after.TotalAlloc-m.before.TotalAlloc) / float64(n),
	}
}

// metered are the rows of what a meter reads. Only the rate has to reach something.
func metered(name, thing string, rate target) []row {
	return []row{
		{name: name, unit: thing + "s/s", target: rate},
		{name: name + ", allocations", unit: "allocs/" + thing},
		{name: name + ", allocated", unit: "B/" + thing},
	}
}
