//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// redeliveries counts what the broker sends again to pods of a deployment from now on, also to those that go
// away: such a pod tells its total in its last words, which its followed log has.
//
//	pods there at the beginning ──> /metrics, then followed log ──> last words, less the metrics
//	pods there at the end       ──> /metrics
type redeliveries struct {
	deployment string
	before     map[string]uint64 // by pod
	following  sync.WaitGroup

	mu        sync.Mutex
	lastWords map[string]uint64
}

// countRedeliveries begins to count. The pods that are there must be ready.
func countRedeliveries(t *testing.T, c *cluster, deployment string) *redeliveries {
	t.Helper()
	r := &redeliveries{deployment: deployment, before: map[string]uint64{}, lastWords: map[string]uint64{}}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(func() {
		cancel()
		r.following.Wait()
	})
	for _, pod := range c.pods(t, deployment) {
		r.before[pod.Name] = c.redelivered(t, pod.Name)
		cmd := exec.CommandContext(ctx, "kubectl", "--namespace", c.Namespace, "logs", "--follow", "--tail=0", pod.Name)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		r.following.Go(func() {
			for lines := bufio.NewScanner(out); lines.Scan(); {
				r.note(pod.Name, lines.Bytes())
			}
			_ = cmd.Wait() // it ends with the pod, or with the test
		})
	}
	return r
}

// note takes the total from the line that a pod says when it leaves the bus.
func (r *redeliveries) note(pod string, line []byte) {
	var said struct {
		Message     string  `json:"msg"`
		Redelivered *uint64 `json:"redelivered"`
	}
	if json.Unmarshal(line, &said) != nil || said.Redelivered == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastWords[pod] = *said.Redelivered
}

// counted returns how many there were, and how many pods have left. None of those of the beginning may be there.
func (r *redeliveries) counted(t *testing.T, c *cluster) (total uint64, left int) {
	t.Helper()
	r.following.Wait()
	for pod, before := range r.before {
		last, said := r.lastWords[pod]
		if !said {
			t.Errorf("%s went away without a word of how much came again", pod)
			continue
		}
		total += last - before
	}
	for _, pod := range c.pods(t, r.deployment) {
		total += c.redelivered(t, pod.Name)
	}
	return total, len(r.before)
}

var redeliveredLine = regexp.MustCompile(`(?m)^ticketing_bus_redelivered_total (\S+)$`)

// redelivered is a pod's counter.
func (c *cluster) redelivered(t *testing.T, pod string) (count uint64) {
	t.Helper()
	admin := c.forward(t, "pod/"+pod, 3001)
	eventually(t, pod+" tells how much came again", func() error {
		_, body, err := get(t.Context(), "http://"+admin[0]+"/metrics")
		if err != nil {
			return err
		}
		shown := redeliveredLine.FindStringSubmatch(body)
		if shown == nil {
			return fmt.Errorf("no counter in %d lines", strings.Count(body, "\n"))
		}
		value, err := strconv.ParseFloat(shown[1], 64)
		count = uint64(value)
		return err
	})
	return count
}
