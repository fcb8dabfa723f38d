package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// Limits of a server. They let thousands of idle connections be, and none stay for ever.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 30 * time.Second
	idleTimeout       = 75 * time.Second // longer than the 60 s of common gateways, so that they close first
	maxHeaderBytes    = 16 << 10
	// shutdownTimeout leaves two of the ten seconds that a process has to end to what closes after
	// its server: relay, bus, store.
	shutdownTimeout = 8 * time.Second
)

// Serve answers on ln with h until ctx ends, then takes no more connections, lets running requests
// finish and returns nil when all are answered. The end of ctx does not cancel a running
// request. One that still runs after 8 s is cut off with a warning, its context canceled: a slow client
// must not make a clean end look like a failure. Serve returns an error when ln fails. ln is closed in every case.
//
// What net/http says of clients' garbage is logged at debug; failed accepts (no file descriptors
// left) at warn.
func Serve(ctx context.Context, ln net.Listener, h http.Handler, logger *slog.Logger) error {
	requests, cancelRequests := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), endingKey{}, ctx.Done()))
	defer cancelRequests()
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          log.New(serverLog{logger}, "", 0),
		BaseContext:       func(net.Listener) context.Context { return requests },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	select {
	case err := <-served:
		_ = server.Close() // the connections of a listener that failed
		return fmt.Errorf("serve on %s: %w", ln.Addr(), err)
	case <-ctx.Done():
	}
	err := shutdown(server)
	<-served // http.ErrServerClosed, at once
	if errors.Is(err, context.DeadlineExceeded) {
		logger.Warn("requests that did not end in time were cut off", "address", ln.Addr().String())
		return nil
	}
	if err != nil {
		return fmt.Errorf("drain %s: %w", ln.Addr(), err)
	}
	return nil
}

// endingKey finds in a request's context what is closed when its server begins to end.
type endingKey struct{}

// Ending returns what is closed when the server of a request begins to end, for an answer that goes on for long. It is nil
// outside of Serve.
func Ending(ctx context.Context) <-chan struct{} {
	ending, _ := ctx.Value(endingKey{}).(<-chan struct{})
	return ending
}

func shutdown(server *http.Server) error {
	deadline, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		_ = server.Close() // its error would be of a connection that is cut off
		return err
	}
	return nil
}

// serverLog passes net/http's own lines on to slog. The lines have no level, so it is told from their
// text: nearly all are about what clients sent.
type serverLog struct{ logger *slog.Logger }

func (s serverLog) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level := slog.LevelDebug
	switch {
	case strings.HasPrefix(text, "http: Accept error"):
		level = slog.LevelWarn
	case strings.HasPrefix(text, "http: panic serving"):
		level = slog.LevelError
	}
	s.logger.Log(context.Background(), level, "http server", "error", text)
	return len(line), nil
}
