// Package stanlimits checks names and options against what NATS Streaming can do. It does no I/O: bus/stan calls it before
// any, and so does the bus in memory that imitates it.
package stanlimits

import (
	"fmt"
	"strings"
	"time"

	"ticketing/pkg/bus"
)

// Limits of a bus.Subscription.
const (
	// MinAckWait is the resolution of the protocol.
	MinAckWait     = time.Second
	MaxAckWait     = 10 * time.Minute
	MaxMaxInflight = 65536
)

// maxName is the longest channel name in bytes.
const maxName = 200

// Subscription returns s with defaults filled in, or bus.ErrChannel or bus.ErrSubscription with the reason.
func Subscription(s bus.Subscription) (bus.Subscription, error) {
	s, err := s.WithDefaults()
	if err != nil {
		return s, err
	}
	if err := CheckChannel(s.Channel); err != nil {
		return s, err
	}
	refuse := func(format string, args ...any) (bus.Subscription, error) {
		return s, fmt.Errorf("%w: %s", bus.ErrSubscription, fmt.Sprintf(format, args...))
	}
	switch {
	case strings.ContainsAny(s.Group+s.Durable, ": \t\r\n"): // the broker joins the two by a colon
		return refuse("group %q or durable %q has a colon or a blank", s.Group, s.Durable)
	case s.AckWait < MinAckWait || s.AckWait > MaxAckWait:
		return refuse("AckWait %v is outside %v..%v", s.AckWait, MinAckWait, MaxAckWait)
	case s.MaxInflight > MaxMaxInflight:
		return refuse("MaxInflight %d is outside 1..%d", s.MaxInflight, MaxMaxInflight)
	}
	return s, nil
}

// CheckChannel returns bus.ErrChannel, with the reason, unless the broker can store a channel of this name: 1 to 200
// letters, digits, ':', '-', '_' and single inner dots. The broker itself lets a publish to an invalid name time out.
func CheckChannel(name string) error {
	refuse := func(why string) error { return fmt.Errorf("%w: %.80q %s", bus.ErrChannel, name, why) }
	switch {
	case name == "":
		return refuse("is empty")
	case len(name) > maxName:
		return refuse(fmt.Sprintf("is longer than %d bytes", maxName))
	case strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
		return refuse("has an empty token between dots")
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(":-_.", r):
		default:
			return refuse(fmt.Sprintf("has the character %q", r))
		}
	}
	return nil
}
