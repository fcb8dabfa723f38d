package app

import (
	"fmt"
	"io"
	"log/slog"
	"os"
)

// format is how log lines look.
type format string

const (
	formatJSON format = "json"
	formatText format = "text"
)

// UnmarshalText reads the name of a format.
func (f *format) UnmarshalText(text []byte) error {
	switch name := format(text); name {
	case formatJSON, formatText:
		*f = name
		return nil
	}
	return fmt.Errorf("%q is neither json nor text", text)
}

// logConfig is the part of the environment that is about the log.
type logConfig struct {
	Level  slog.Level `envconfig:"LOG_LEVEL" default:"info"`
	Format format     `envconfig:"LOG_FORMAT"`
}

// defaultFormat is text for a person at a terminal and JSON for everything that collects logs.
func defaultFormat(out *os.File) format {
	if info, err := out.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return formatText
	}
	return formatJSON
}

func newLogger(w io.Writer, level slog.Level, f format) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if f == formatText {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}
