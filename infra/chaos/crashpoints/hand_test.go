package crashpoints

import (
	"context"
	"sync"
	"time"
)

const (
	// handful of events in hand make it likely that one lane has those of two entities.
	handful = 16
	// lull is how long nothing comes if there is no load and history is all there: nothing more will come.
	lull = 100 * time.Millisecond
)

// hand counts the events that the bus has handed to the service and that the service has not settled.
type hand struct {
	mu    sync.Mutex
	held  int
	taken chan struct{} // closed with the next event; nil while nobody waits for one
}

func (h *hand) took() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held++
	if h.taken != nil {
		close(h.taken)
		h.taken = nil
	}
}

func (h *hand) gave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.held--
}

func (h *hand) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.held
}

func (h *hand) look() (held int, taken <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.taken == nil {
		h.taken = make(chan struct{})
	}
	return h.held, h.taken
}

// grow returns once a handful is held, or if no more comes.
func (h *hand) grow(ctx context.Context) {
	for {
		held, taken := h.look()
		if held >= handful {
			return
		}
		select {
		case <-taken:
		case <-time.After(lull):
			return
		case <-ctx.Done():
			return
		}
	}
}
