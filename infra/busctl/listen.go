package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"ticketing/pkg/app"
	"ticketing/pkg/bus"
)

// errNotAcked is the outcome of every event under --no-ack.
var errNotAcked = errors.New("not acked, as --no-ack says")

// listen shows the events of channels, as a plain subscription or as a member of a queue group.
type listen struct {
	Subjects    []string      `arg:"" name:"subject" sep:"none" help:"The channels, for instance ticket:created ticket:updated."`
	Group       string        `placeholder:"NAME" help:"Join this queue group: it starts with the oldest event, and later goes on where it left off. Events are shared with the group's other members."`
	Durable     string        `placeholder:"NAME" help:"The name of the group's kept position (default the group's)."`
	All         bool          `help:"Begin with the oldest event, not with the next one."`
	NoAck       bool          `help:"Do not ack: events come again after the ack wait, with the next attempt."`
	AckWait     time.Duration `default:"${ack_wait}" placeholder:"TIME" help:"How long the broker waits for an ack, in whole seconds (default ${default})."`
	MaxInflight int           `default:"${max_inflight}" placeholder:"N" help:"How many un-acked events may be here at once; with --no-ack no more than these are seen (default ${default})."`
	JSON        bool          `name:"json" help:"One JSON object per event: sequence, attempt, ageMs, time, subject, and payload, or raw (base64) where it is not JSON."`
}

// Help is the long text of `busctl help listen`.
func (*listen) Help() string {
	return `Without --group it sees every event and leaves nothing behind at the broker. With it, the broker keeps
the position for ever. The group of a running service is not for looking on: an event that is acked here is
one that the service never sees.

    busctl listen ticket:created ticket:updated --all

    busctl listen ticket:updated --group me --no-ack --ack-wait 1s`
}

// Validate finds the mistakes in a command line that the parser does not.
func (l *listen) Validate() error {
	switch {
	case l.Durable != "" && l.Group == "":
		return errors.New("--durable needs --group")
	case l.All && l.Group != "":
		return errors.New("--all is not for groups: they begin with the oldest event, and later go on where they left off")
	}
	for i, subject := range l.Subjects {
		if slices.Contains(l.Subjects[:i], subject) {
			return fmt.Errorf("%s is named twice", subject)
		}
		if err := app.CheckSubscription(l.subscription(subject)); err != nil {
			return err
		}
	}
	return nil
}

func (l *listen) subscription(subject string) bus.Subscription {
	s := bus.Subscription{
		Channel: subject, Group: l.Group, Durable: cmp.Or(l.Durable, l.Group),
		AckWait: l.AckWait, MaxInflight: l.MaxInflight,
	}
	if l.Group == "" && !l.All {
		s.Start = bus.FromNow
	}
	return s
}

// Run shows events until ctx ends or the process is interrupted, which is the way to end it: nil.
func (l *listen) Run(ctx context.Context, b broker, term terminal) error {
	ctx, stop := untilInterrupted(ctx)
	defer stop()
	conn, err := b.connect(ctx)
	if err != nil {
		return err
	}
	p := &printer{out: term.out, json: l.JSON}
	err = l.show(ctx, conn, b.Wait, p, term)
	leave(ctx, conn)
	if err == nil {
		l.part(term, p.printed())
	}
	return err
}

// show prints events until ctx ends, which is nil, or until they cannot be printed any more.
func (l *listen) show(ctx context.Context, conn bus.Conn, wait time.Duration, p *printer, term terminal) error {
	printing, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	greeted := make(chan struct{}) // events wait for it, so that they come below the header
	err := l.join(ctx, conn, wait, l.handler(p, greeted, fail))
	if err == nil {
		l.greet(term)
	}
	close(greeted)
	if err != nil {
		return err
	}
	followLink(printing, conn.Health, term.say)
	if ctx.Err() == nil {
		return context.Cause(printing)
	}
	return nil
}

// join subscribes to every channel.
func (l *listen) join(ctx context.Context, conn bus.Conn, wait time.Duration, handle bus.Handler) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	for _, subject := range l.Subjects {
		// The member ends with the connection.
		if _, err := conn.Subscribe(ctx, l.subscription(subject), handle); err != nil {
			return err
		}
	}
	return nil
}

// handler acks an event once its line is out. A line that cannot be written ends the command.
func (l *listen) handler(p *printer, greeted <-chan struct{}, fail context.CancelCauseFunc) bus.Handler {
	return bus.Each(func(_ context.Context, m bus.Message) error {
		<-greeted
		if err := p.print(m); err != nil {
			fail(fmt.Errorf("write event %d of %s: %w", m.Sequence, m.Channel, err))
			return err
		}
		if l.NoAck {
			return errNotAcked
		}
		return nil
	})
}

// greet says what will be seen, and what is likely a mistake.
func (l *listen) greet(term terminal) {
	for _, subject := range l.Subjects {
		if why := unknownSubject(subject); why != nil {
			term.say("warning: %v", why)
		}
	}
	from := "from now on"
	switch {
	case l.Group != "":
		from = "as group " + l.Group
	case l.All:
		from = "from the oldest event on"
	}
	if strings.HasSuffix(l.Group, "-service") {
		term.say("warning: %s is the group of a service: what is acked here the service never sees", l.Group)
	}
	term.say("listening to %s %s; Ctrl-C ends", strings.Join(l.Subjects, ", "), from)
	if !l.JSON {
		fmt.Fprintln(term.err, header)
	}
}

// part says what stays behind.
func (l *listen) part(term terminal, shown int) {
	if l.Group == "" {
		term.say("left; lines shown: %d", shown)
		return
	}
	term.say("left; lines shown: %d; durable %s keeps its place", shown, cmp.Or(l.Durable, l.Group))
}
