package stan

import "ticketing/pkg/bus"

// Queued tells how many messages wait in the client for the member's handler, and how many were dropped.
func Queued(m bus.Member) (waiting, dropped int, err error) {
	sub := m.(*member).sub
	if waiting, _, err = sub.Pending(); err != nil {
		return 0, 0, err
	}
	dropped, err = sub.Dropped()
	return waiting, dropped, err
}
