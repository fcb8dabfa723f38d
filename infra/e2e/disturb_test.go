//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"
)

// mostHeld is how many events a pod of orders may hold un-acked when it leaves: each customer edits one ticket a
// round, and has another held and freed, and that is handled well within a round. A pod that leaves in order acks what it has in work, so in
// truth there are fewer, if any.
const mostHeld = 3 * people

// New pods take the place of the old ones under load: nobody gets an error, nothing is lost or done twice, and the
// broker sends again no more than what a leaving pod held.
func rollsOut(t *testing.T, c *cluster) {
	l := startLoad(t, c)
	l.more(t, 100)
	again := countRedeliveries(t, c, "orders-depl")
	for _, deployment := range []string{"tickets-depl", "orders-depl"} {
		before := l.requests.Load()
		began := time.Now()
		c.kubectl(t, "rollout", "restart", "deployment/"+deployment)
		c.kubectl(t, "rollout", "status", "deployment/"+deployment, "--timeout", patience.String())
		eventually(t, "the old pods are gone", func() error {
			if n := len(c.pods(t, deployment)); n != 2 {
				return fmt.Errorf("there are %d pods", n)
			}
			return nil
		})
		t.Logf("%s rolled out in %v, with %d requests meanwhile",
			deployment, time.Since(began).Round(100*time.Millisecond), l.requests.Load()-before)
	}
	l.more(t, 100)
	l.end(t)
	count, left := again.counted(t, c)
	t.Logf("%d events were sent again to orders, of which %d pods left, with %d edits in all", count, left, l.edits())
	if most := uint64(left * mostHeld); count > most {
		t.Errorf("that is more than the %d that they may have held", most)
	}
}

// The NATS pod is killed under load: writes go on, and when it is back everything arrives.
func goesOnWithoutBus(t *testing.T, c *cluster) {
	l := startLoad(t, c)
	l.more(t, 100)
	before := l.requests.Load()
	began := time.Now()
	c.kubectl(t, "delete", "pod", "-l", "app.kubernetes.io/name=nats-streaming", "--grace-period=0", "--force")
	l.more(t, 50)
	c.kubectl(t, "rollout", "status", "deployment/nats-depl", "--timeout", patience.String())
	t.Logf("NATS was ready again after %v, with %d requests meanwhile",
		time.Since(began).Round(100*time.Millisecond), l.requests.Load()-before)
	l.more(t, 100)
	l.end(t)
}
