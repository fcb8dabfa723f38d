package process

import (
	"errors"
	"fmt"
	"net"
)

// FreePorts returns different ports of the loopback that nobody listens on now. They are for children that have
// to come back at the same address; nothing keeps others from taking one meanwhile.
func FreePorts(n int) (addrs []string, err error) {
	listeners := make([]net.Listener, 0, n)
	for range n {
		listener, listenErr := net.Listen("tcp", "127.0.0.1:0")
		if listenErr != nil {
			err = fmt.Errorf("find a free port: %w", listenErr)
			break
		}
		listeners = append(listeners, listener)
		addrs = append(addrs, listener.Addr().String())
	}
	for _, listener := range listeners { // only now, so that no port is found twice
		err = errors.Join(err, listener.Close())
	}
	return addrs, err
}
