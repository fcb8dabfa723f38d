//go:build e2e

package e2e

import (
	"testing"
)

// The life of the system on a cluster, from an empty namespace back to one. The steps build on each other, so
// the first that fails is the last.
func TestTheSystemOnACluster(t *testing.T) {
	c := newCluster(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T, *cluster)
	}{
		{"starts without flapping", startsWithoutFlapping},
		{"is verified by Skaffold", isVerified},
		{"says what is wrong with its environment", saysWhatIsWrong},
		{"runs two replicas", runsTwoReplicas},
		{"is reached through the ingress", isReached},
		{"cancels what nobody pays", ordersExpire},
		{"shows and takes events through a forwarded port", forwardsEvents},
		{"rolls out under load", rollsOut},
		{"goes on without its bus", goesOnWithoutBus},
		{"shares events among the replicas of a group", sharesEvents},
		{"catches up after it was scaled to zero", catchesUp},
		{"takes over the events of a pod that died", takesOver},
		{"is developed and deleted with Skaffold", isDeveloped},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(t, c) }) {
			return
		}
	}
}
