package servicetest

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
)

// Log keeps what a service says, at every level. It may be used concurrently.
type Log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Logger writes into the log.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// Write takes one line of the logger.
func (l *Log) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

// Lines returns the lines of one level.
func (l *Log) Lines(level slog.Level) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var lines []string
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, " level="+level.String()+" ") {
			lines = append(lines, line)
		}
	}
	return lines
}

// Complaints returns the lines at warn and error: what a client's fault must never lead to.
func (l *Log) Complaints() []string {
	return append(l.Lines(slog.LevelWarn), l.Lines(slog.LevelError)...)
}

// Forget drops what was said, so that a log that is looked at again and again stays short.
func (l *Log) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Reset()
}
