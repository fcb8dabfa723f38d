package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// usage is what this process, and the machine, have used of themselves until at.
type usage struct {
	at      time.Time
	cpu     time.Duration // of this process, on all cores
	written uint64        // bytes this process has caused to be written to the disk; 0 where the machine does not tell
	machine machineTime
}

// machineTime is what the cores of the machine have done, in ticks; all 0 where the machine does not tell.
type machineTime struct {
	all, idle, ioWait uint64
}

// spent is what a step has used, as shares of all cores and of the time.
type spent struct {
	// CPU is this process's share, load and system together; MachineCPU that of everybody on the machine.
	CPU        float64 `json:"cpu"`
	MachineCPU float64 `json:"machineCPU"`
	// DiskWait is the share of time in which a core had nothing to do but wait for the disk.
	DiskWait float64 `json:"diskWait"`
	// DiskMBs is megabytes per second written by this process, HeapMB what its heap holds at the end.
	DiskMBs float64 `json:"diskMBs"`
	HeapMB  float64 `json:"heapMB"`
}

func readUsage() (usage, error) {
	u := usage{at: time.Now()}
	var own syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &own); err != nil {
		return u, fmt.Errorf("read the CPU time of this process: %w", err)
	}
	u.cpu = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	// Linux alone has these. Elsewhere they stay 0.
	if text, err := os.ReadFile("/proc/self/io"); err == nil {
		u.written = parseWritten(text)
	}
	if text, err := os.ReadFile("/proc/stat"); err == nil {
		u.machine = parseMachineTime(text)
	}
	return u, nil
}

// parseWritten reads write_bytes of /proc/self/io.
func parseWritten(text []byte) (written uint64) {
	for line := range bytes.Lines(text) {
		if digits, ok := bytes.CutPrefix(line, []byte("write_bytes: ")); ok {
			fmt.Sscan(string(digits), &written)
		}
	}
	return written
}

// parseMachineTime reads the first line of /proc/stat: user nice system idle iowait irq softirq steal, the time of guests being in user.
func parseMachineTime(text []byte) machineTime {
	line, _, _ := strings.Cut(string(text), "\n")
	var ticks [8]uint64
	_, err := fmt.Sscanf(line, "cpu %d %d %d %d %d %d %d %d", &ticks[0], &ticks[1], &ticks[2], &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7])
	if err != nil {
		return machineTime{}
	}
	m := machineTime{idle: ticks[3], ioWait: ticks[4]}
	for _, t := range ticks {
		m.all += t
	}
	return m
}

// since is what was used between earlier and u.
func (u usage) since(earlier usage) spent {
	seconds := u.at.Sub(earlier.at).Seconds()
	s := spent{
		CPU:     (u.cpu - earlier.cpu).Seconds() / seconds / float64(runtime.NumCPU()),
		DiskMBs: float64(u.written-earlier.written) / 1e6 / seconds,
		HeapMB:  heapMB(),
	}
	if all := float64(u.machine.all - earlier.machine.all); all > 0 {
		idle, ioWait := float64(u.machine.idle-earlier.machine.idle), float64(u.machine.ioWait-earlier.machine.ioWait)
		s.MachineCPU = 1 - (idle+ioWait)/all
		s.DiskWait = ioWait / all
	}
	return s
}

func heapMB() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc) / 1e6
}
