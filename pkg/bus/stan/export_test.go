package stan

import "ticketing/pkg/bus"

// PublishWindow is how many events may be without an answer.
const PublishWindow = publishWindow

// Queued tells how many messages and bytes wait in the client for the member's handler, and how many
// messages were dropped.
func Queued(m bus.Member) (waiting, size, dropped int, err error) {
	sub := m.(*member).sub
	if waiting, size, err = sub.Pending(); err != nil {
		return 0, 0, 0, err
	}
	dropped, err = sub.Dropped()
	return waiting, size, dropped, err
}
