package main

import (
	"context"
	"time"

	"ticketing/pkg/bus"
)

// linkInterval is how often the connection is looked at: soon enough for a person.
const linkInterval = 200 * time.Millisecond

// followLink says when the connection is lost and when it is back, until ctx ends. It begins connected.
func followLink(ctx context.Context, health func() bus.Health, say func(format string, args ...any)) {
	before := bus.Health{Connected: true}
	ticker := time.NewTicker(linkInterval)
	defer ticker.Stop()
	for {
		after := health()
		if news := linkNews(before, after); news != "" {
			say("%s", news)
		}
		before = after
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// linkNews is what a person wants to hear of a change, or empty.
func linkNews(before, after bus.Health) string {
	switch {
	case !after.Connected && before.Reason != after.Reason:
		return after.Reason + "; trying again"
	case after.Connected && !before.Connected:
		return "connected again"
	case after.Connected && after.Reconnects > before.Reconnects:
		return "the connection was lost for a moment"
	}
	return ""
}
