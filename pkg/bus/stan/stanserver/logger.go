package stanserver

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// logger carries the server's lines to slog. The library's own loggers end the process at a fatal line;
// this one keeps the first, so that Start can tell the cause.
type logger struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal string
}

func (l *logger) Noticef(format string, args ...any) { l.log.Debug(line(format, args)) }
func (l *logger) Debugf(format string, args ...any)  { l.log.Debug(line(format, args)) }
func (l *logger) Tracef(format string, args ...any)  { l.log.Debug(line(format, args)) }
func (l *logger) Warnf(format string, args ...any)   { l.log.Warn(line(format, args)) }
func (l *logger) Errorf(format string, args ...any)  { l.log.Warn(line(format, args)) }

func (l *logger) Fatalf(format string, args ...any) {
	text := line(format, args)
	l.mu.Lock()
	if l.fatal == "" {
		l.fatal = text
	}
	l.mu.Unlock()
	l.log.Error(text)
}

func (l *logger) firstFatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func line(format string, args []any) string {
	return strings.TrimPrefix(fmt.Sprintf(format, args...), "STREAM: ")
}
