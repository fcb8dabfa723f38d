package main

import (
	"fmt"
	"time"
)

// step is what one rate came to. Rates are per second.
type step struct {
	// Offered is 0 in a closed loop without a rate, which offers what is taken. Achieved are the answers the API
	// promises, until the last one.
	Offered  float64       `json:"offered"`
	Achieved float64       `json:"achieved"`
	P50      time.Duration `json:"p50ns"`
	P90      time.Duration `json:"p90ns"`
	P99      time.Duration `json:"p99ns"`
	P999     time.Duration `json:"p999ns"`
	Max      time.Duration `json:"maxns"`
	counts
	// Embedded: the system ran in this process, and what follows is known.
	Embedded bool `json:"embedded"`
	spent
	// Events on their way in the middle of the step and at its end, and the seconds between.
	BacklogMiddle float64 `json:"backlogMiddle"`
	BacklogEnd    float64 `json:"backlogEnd"`
	BacklogOver   float64 `json:"backlogOver"`
	// Saturated says by what it was noticed; empty where the system kept up. Limit is what was at its limit then.
	Saturated string `json:"saturated,omitempty"`
	Limit     string `json:"limit,omitempty"`
	// Faults are some of the unexpected answers.
	Faults []string `json:"faults,omitempty"`
}

// When a system counts as saturated, and a core as busy.
const (
	enough       = 0.95 // of what is offered
	cpuLimit     = 0.90 // of all cores
	smallBacklog = 100  // events that may be on their way by chance
)

// saturation says by what it is noticed that the step asked more than the system can do; empty where it kept up.
func saturation(s step, p99Limit time.Duration) string {
	switch {
	case s.Dropped > 0:
		return fmt.Sprintf("%d requests dropped, too many waited", s.Dropped)
	case s.Refused > 0:
		return fmt.Sprintf("%d requests refused with 503", s.Refused)
	case s.Achieved < enough*s.Offered:
		return fmt.Sprintf("achieved %.0f%% of what was offered", 100*s.Achieved/s.Offered)
	case s.P99 > p99Limit:
		return fmt.Sprintf("p99 above %v", p99Limit)
	case backlogGrows(s):
		return fmt.Sprintf("events on their way grew from %.0f to %.0f", s.BacklogMiddle, s.BacklogEnd)
	}
	return ""
}

// backlogGrows: in the second half of the step events came in faster than they were finished, by more than
// what requests may be behind.
func backlogGrows(s step) bool {
	grown := s.BacklogEnd - s.BacklogMiddle
	return s.BacklogEnd > smallBacklog && grown > (1-enough)*s.Achieved*s.BacklogOver
}

// firstLimit names what was at its limit in a saturated step. CPU comes first, as without it all else falls behind
// too; then the way of the events; what is left, where requests wait and cores do not, is the disk.
func firstLimit(s step) string {
	switch {
	case !s.Embedded:
		return "unknown: the system is in another process"
	case s.CPU >= cpuLimit:
		return fmt.Sprintf("CPU: this process, load and system together, used %.0f%% of all cores", 100*s.CPU)
	case s.MachineCPU >= cpuLimit && s.CPU < s.MachineCPU/2:
		return fmt.Sprintf("CPU, most of it taken by others: the cores were busy to %.0f%%, to %.0f%% with this process", 100*s.MachineCPU, 100*s.CPU)
	case s.MachineCPU >= cpuLimit:
		return fmt.Sprintf("CPU: the cores were busy to %.0f%%, to %.0f%% with this process, load and system together", 100*s.MachineCPU, 100*s.CPU)
	case backlogGrows(s):
		return fmt.Sprintf("relay/consumers: events on their way grew from %.0f to %.0f", s.BacklogMiddle, s.BacklogEnd)
	}
	return fmt.Sprintf("disk: the cores were busy to %.0f%% and waited for it for %.0f%%, at %.1f MB/s", 100*s.MachineCPU, 100*s.DiskWait, s.DiskMBs)
}
