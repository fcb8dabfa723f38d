package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/telemetry"
)

// logLine is how large the broker's log is and how it has grown since it was empty, which it was before its
// oldest event. oldest is zero where there is none; unknown is why it is not known.
func logLine(size telemetry.LogSize, oldest time.Time, unknown error, volume telemetry.Bytes) string {
	line := "log: " + size.Bytes.String()
	if volume != 0 {
		line += " of " + volume.String()
	}
	switch {
	case unknown != nil:
		return line + "; growth unknown: " + strings.ReplaceAll(unknown.Error(), "\n", "; ") + "\n"
	case oldest.IsZero():
		return line + "\n"
	}
	since := oldest.UTC().Format(time.RFC3339) + ", the oldest event"
	growth := telemetry.Growth{From: telemetry.LogSize{At: oldest}, To: size}
	perDay, known := growth.PerDay()
	if !known {
		return line + "; too young to tell growth: since " + since + "\n"
	}
	line += fmt.Sprintf("; grows by %v a day on average since %s", telemetry.Bytes(perDay), since)
	switch days, known := growth.DaysLeft(volume); {
	case known && days == 0:
		line += "; full"
	case known:
		line += fmt.Sprintf("; full in %.1f days", days)
	}
	return line + "\n"
}

// logAge remembers the oldest event, or why it is not known, so that --watch asks once there is one.
type logAge struct {
	oldest time.Time
	err    error
}

func (a *logAge) find(ctx context.Context, b broker, channels []bus.Channel) (time.Time, error) {
	if a.oldest.IsZero() && a.err == nil {
		a.oldest, a.err = b.oldestEvent(ctx, channels)
	}
	return a.oldest, a.err
}
