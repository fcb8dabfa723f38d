package outbox

import (
	"context"
	"testing"
)

func TestALockIsKeptWhileSomebodyHoldsOrWantsIt(t *testing.T) {
	l := newLocks()
	unlock, err := l.lock(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	// given one that waits in vain
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.lock(gone, "a"); err == nil {
		t.Fatal("a lock was given twice")
	}
	if len(l.held) != 1 {
		t.Errorf("%d locks are kept while one is held", len(l.held))
	}
	// when the holder is done, then nothing of it is left.
	unlock()
	if len(l.held) != 0 {
		t.Errorf("%d locks are left that nobody holds or wants", len(l.held))
	}
}
