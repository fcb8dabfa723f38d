package web

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"ticketing/pkg/httpapi"
)

const (
	// maxViewers is how many pages are kept live at once by one instance. The others are as they were loaded.
	maxViewers = 1_000
	// glance is how often the services are asked for what a viewer sees.
	glance = time.Second
	// sight is how long one stream lasts; the browser comes again. It ends before the server's limit for an answer.
	sight = 25 * time.Second
)

func (s *site) liveTickets(w http.ResponseWriter, r *http.Request) error {
	return s.live(w, r, func() ([]byte, error) {
		page, err := s.shelfOf(w, r)
		if err != nil {
			return nil, err
		}
		return s.execute("tickets", "shelf", page)
	})
}

func (s *site) liveOrder(w http.ResponseWriter, r *http.Request) error {
	wasOpen := true
	return s.live(w, r, func() ([]byte, error) {
		p, err := s.purchaseOf(w, r)
		if err != nil {
			return nil, err
		}
		p.Again = p.Open() && !wasOpen
		if wasOpen = wasOpen && p.Open(); wasOpen { // its form stays as the buyer has it
			return nil, nil
		}
		return s.execute("order", "state", p)
	})
}

// live sends part of a page as a server-sent event, at once and whenever it has changed: it may have since the page was
// made. A look that finds nothing to show sends nothing. It ends with the viewer, with the server, or after sight.
func (s *site) live(w http.ResponseWriter, r *http.Request, look func() ([]byte, error)) error {
	select {
	case s.viewers <- struct{}{}:
		defer func() { <-s.viewers }()
	default:
		w.Header().Set("Retry-After", "30")
		w.WriteHeader(http.StatusServiceUnavailable)
		return nil
	}
	now, err := look()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(w)
	fmt.Fprintf(w, "retry: %d\n\n", glance.Milliseconds())
	end := time.After(sight)
	var seen []byte
	for {
		if !bytes.Equal(now, seen) {
			seen = now
			send(w, now)
		}
		if err := stream.Flush(); err != nil {
			return nil // the viewer has gone
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-httpapi.Ending(r.Context()):
			return nil
		case <-end:
			return nil
		case <-time.After(glance):
		}
		if now, err = look(); err != nil {
			return nil // the browser comes again
		}
	}
}

// send sends one event. Whether it arrives is seen when the stream is flushed.
func send(w io.Writer, part []byte) {
	for line := range bytes.Lines(part) {
		fmt.Fprintf(w, "data: %s\n", bytes.TrimRight(line, "\r\n"))
	}
	fmt.Fprint(w, "\n")
}
