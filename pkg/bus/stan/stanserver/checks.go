package stanserver

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/nats-io/nats-streaming-server/util"
	stango "github.com/nats-io/stan.go"
)

// lockDir makes the folder, sees that it can be written, and keeps other processes out of it: two servers on
// one folder destroy it. It returns nil for a memory store.
func lockDir(dir string) (util.LockFile, error) {
	if dir == "" {
		return nil, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	name := filepath.Join(dir, "server.lck")
	lock, err := util.CreateLockFile(name)
	switch {
	case err == nil:
		return lock, nil
	case errors.Is(err, util.ErrUnableToLockNow) && openable(name):
		return nil, fmt.Errorf("data folder %s is in use by another process", dir)
	default:
		return nil, fmt.Errorf("data folder %s cannot be written: %w", dir, err)
	}
}

// openable tells a lock that is held from a file that cannot be made, for which the library has one error.
func openable(name string) bool {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	return f.Close() == nil
}

// probePort sees whether a port can be listened on, and returns it; for 0 one that is free now.
func probePort(host string, port int) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if err != nil {
		return 0, fmt.Errorf("port %d: %w", port, err)
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("port %d: %w", port, err)
	}
	if !ok {
		return 0, fmt.Errorf("port %d: listening on %v", port, l.Addr())
	}
	return addr.Port, nil
}

const readyTimeout = 10 * time.Second

// awaitReady returns when a client can connect. Nothing else tells: the server's own readiness answers
// before it has read its folder.
func awaitReady(url string, cfg Config) error {
	var err error
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); {
		var conn stango.Conn
		conn, err = stango.Connect(cfg.ClusterID, "stanserver-ready", stango.NatsURL(url),
			stango.NatsOptions(cfg.clientOptions()...))
		if err == nil {
			if err := conn.Close(); err != nil {
				return fmt.Errorf("close the first connection: %w", err)
			}
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("no client can connect to %s: %w", url, err)
}
