package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"ticketing/pkg/bus"
)

// maxLine is the longest line of --lines in bytes, beyond what the broker takes.
const maxLine = 4 << 20

// publish puts events on the bus as they are, also those that break the contract: that is how people see what a service
// does with poison.
type publish struct {
	Subject string `arg:"" help:"The channel, for instance ticket:created."`
	Payload string `arg:"" name:"json" help:"The event, or - to read it from stdin."`
	Lines   bool   `help:"With -: every line of stdin that is not blank is an event."`
}

// Help is the long text of `busctl help publish`.
func (*publish) Help() string {
	return `An event that breaks the contract is published with a warning, as is one on a subject that the contract does
not have. Put a payload that begins with a dash after --. One newline at the end of stdin is left out.

    busctl publish expiration:complete '{"orderId":"6a0000000000000000000001"}'

    busctl publish ticket:updated - <event.json

    busctl listen ticket:updated --all --json | jq -c .payload | busctl publish copy:updated - --lines`
}

// Validate finds the mistakes in a command line that the parser does not.
func (p *publish) Validate() error {
	if p.Subject == "" {
		return nil // the parser reports that it is missing
	}
	if p.Lines && p.Payload != "-" {
		return errors.New("--lines goes with -, which reads stdin")
	}
	return bus.CheckChannel(p.Subject)
}

// Run publishes. It reports success only when the broker has stored the events.
func (p *publish) Run(ctx context.Context, b broker, term terminal) error {
	data := []byte(p.Payload)
	if p.Payload == "-" && !p.Lines {
		read, err := io.ReadAll(term.in)
		if err != nil {
			return fmt.Errorf("read stdin: %w", err)
		}
		data = bytes.TrimSuffix(read, []byte("\n"))
	}
	conn, err := b.connect(ctx)
	if err != nil {
		return err
	}
	defer leave(ctx, conn)
	if why := unknownSubject(p.Subject); why != nil {
		term.say("warning: %v", why)
	}
	if p.Lines {
		return p.lines(ctx, conn, term)
	}
	if err := p.one(ctx, conn, term, "the event", data); err != nil {
		return err
	}
	_, err = fmt.Fprintf(term.out, "stored in %s: %d bytes\n", p.Subject, len(data))
	return err
}

// lines publishes one line of stdin after the other and ends with the first that fails.
func (p *publish) lines(ctx context.Context, to bus.Publisher, term terminal) error {
	stored, line := 0, 0
	lines := bufio.NewScanner(term.in)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		line++
		data := bytes.TrimSpace(lines.Bytes())
		if len(data) == 0 {
			continue
		}
		if err := p.one(ctx, to, term, fmt.Sprintf("line %d", line), data); err != nil {
			return fmt.Errorf("line %d, after %d stored: %w", line, stored, err)
		}
		stored++
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read line %d of stdin, after %d stored: %w", line+1, stored, err)
	}
	_, err := fmt.Fprintf(term.out, "stored in %s: %d events\n", p.Subject, stored)
	return err
}

// one publishes data, which is called name. It warns if data breaks the contract; Run has warned of an unknown subject
// once for all.
func (p *publish) one(ctx context.Context, to bus.Publisher, term terminal, name string, data []byte) error {
	if why := breach(p.Subject, data); why != nil && unknownSubject(p.Subject) == nil {
		term.say("warning: %s breaks the contract: %v", name, why)
	}
	err := to.Publish(ctx, p.Subject, data)
	if errors.Is(err, bus.ErrUnavailable) {
		return fmt.Errorf("it is not known whether the event was stored: %w", err)
	}
	return err
}
