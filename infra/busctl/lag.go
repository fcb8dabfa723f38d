package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/telemetry"
)

// lag shows how many events each group has not finished, from the broker's monitoring.
type lag struct {
	JSON     bool            `name:"json" help:"One line of JSON: an array of channels, each with its durables."`
	Watch    bool            `help:"Show it again and again, until Ctrl-C."`
	Interval time.Duration   `default:"2s" placeholder:"TIME" help:"How often --watch looks (default ${default})."`
	Volume   telemetry.Bytes `env:"BROKER_VOLUME" placeholder:"SIZE" help:"The size of the volume of the broker's log, such as 2Gi: then the days until it is full are shown too."`

	age logAge
}

// Help is the long text of `busctl help lag`.
func (*lag) Help() string {
	return `Lag is what was never sent to the group plus what was sent and is not acked. Lost is the part of it that
the broker's limits removed before it was ever sent. First and last are the channel's sequence numbers. A broker that has just
started may not know all channels yet.

The last line is the broker's log, all channels together, and its mean growth since its oldest event, for which
the broker itself is asked: a look by --json does without. A service that runs for longer knows the growth of
the last day: ticketing_broker_log_growth_bytes_per_day in its /metrics.

    busctl lag --watch

    busctl lag --json | jq -c '.[] | .channel as $channel | .durables[] | select(.lag > 0) | {$channel, group, lag}'`
}

// Validate finds the mistakes in a command line that the parser does not.
func (l *lag) Validate() error {
	if l.Interval <= 0 {
		return fmt.Errorf("--interval %v is not positive", l.Interval)
	}
	return nil
}

// Run shows the lag, once, or until ctx ends or the process is interrupted.
func (l *lag) Run(ctx context.Context, b broker, term terminal) error {
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	books, err := app.BusConfig{NATSMonitorURL: b.Monitor}.OpenBooks()
	if err != nil {
		return usageError{err}
	}
	defer books.Close()
	if err := l.show(ctx, b, books, term); err != nil || !l.Watch {
		return err
	}
	ticker := time.NewTicker(l.Interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		if !l.JSON {
			fmt.Fprintln(term.out)
		}
		// From here on a broker that is away is worth a line, and the next look.
		if err := l.show(ctx, b, books, term); err != nil && ctx.Err() == nil {
			term.say("%v", err)
		}
	}
}

// show looks once.
func (l *lag) show(watching context.Context, b broker, books bus.Inspector, term terminal) error {
	ctx, cancel := context.WithTimeout(watching, b.Wait)
	defer cancel()
	channels, err := books.Channels(ctx)
	if err != nil {
		return b.monitorError(err)
	}
	text := lagTable(channels)
	if l.JSON {
		if text, err = lagJSON(channels); err != nil {
			return err
		}
	}
	if _, err = fmt.Fprint(term.out, text); err != nil || l.JSON || len(channels) == 0 {
		return err
	}
	size := telemetry.SizeOf(channels, time.Now())
	oldest, unknown := l.age.find(watching, b, channels)
	_, err = fmt.Fprint(term.out, logLine(size, oldest, unknown, l.Volume))
	return err
}

// monitorError says, in one line, which address does not answer.
func (b broker) monitorError(err error) error {
	if !errors.Is(err, bus.ErrUnavailable) {
		return err
	}
	var cause *url.Error
	if errors.As(err, &cause) {
		err = cause.Err // without the long address of the question
	}
	address := b.Monitor
	if u, parseErr := url.Parse(b.Monitor); parseErr == nil {
		address = u.Redacted()
	}
	return fmt.Errorf("the broker's monitoring does not answer at %s: %w; %s", address, err, howToReach)
}
