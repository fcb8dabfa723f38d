package outbox_test

import (
	"fmt"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// forEachQueue runs a test of the relay with little room in memory and with the default (0), on a clock of its own.
func forEachQueue(t *testing.T, test func(t *testing.T, queue int)) {
	for _, queue := range []int{1, 2, 3, 0} {
		t.Run(fmt.Sprintf("queue %d", queue), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, queue) })
		})
	}
}
