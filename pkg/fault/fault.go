// Package fault names what can be wrong with a request, without naming HTTP. Rules return faults, and
// whoever faces the client (httpapi) gives each kind its status:
//
//	rule ──> fault.InvalidField("price", "must be greater than 0")
//	             └──> httpapi ──> 400, errors: [{"message","field"}]
//
// Every text in a fault is meant for the client: it says what to change and never how things work
// inside. An error that is not a fault is the service's own failure, and the client is not told it.
package fault

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is the reason a request is refused. The zero Kind is none: the error is not a fault.
type Kind int

const (
	// Invalid: the request is malformed or breaks a rule that holds for every state.
	Invalid Kind = iota + 1
	// Unauthenticated: it is not known who asks.
	Unauthenticated
	// Forbidden: it is known who asks, and that one may not.
	Forbidden
	// NotFound: what was asked for does not exist, or not for the one who asks.
	NotFound
	// Conflict: the request does not fit the present state; another state could allow it.
	Conflict
	// Stale: a precondition of the request (If-Match) does not hold.
	Stale
	// TooLarge: the request is larger than what is accepted.
	TooLarge
	// Unsupported: the request's media type or encoding is not accepted.
	Unsupported
	// Reused: the request bears the key of an earlier one (Idempotency-Key) and asks for something else.
	Reused
	// TooMany: the client asks too often.
	TooMany
	// Unavailable: the service cannot answer now; the same request may succeed later.
	Unavailable
)

// String returns the kind's name, for logs.
func (k Kind) String() string {
	switch k {
	case Invalid:
		return "invalid"
	case Unauthenticated:
		return "unauthenticated"
	case Forbidden:
		return "forbidden"
	case NotFound:
		return "not found"
	case Conflict:
		return "conflict"
	case Stale:
		return "stale"
	case TooLarge:
		return "too large"
	case Unsupported:
		return "unsupported"
	case Reused:
		return "reused"
	case TooMany:
		return "too many"
	case Unavailable:
		return "unavailable"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// Detail is one thing that is wrong.
type Detail struct {
	// Message says what is wrong, for the client to read.
	Message string
	// Field is the field of the request it is about; empty where it is about the request as a whole.
	Field string
}

// Error is a refused request. Find it with errors.As, or its kind with KindOf.
type Error struct {
	Kind Kind
	// Details has at least one element where the error was made by this package.
	Details []Detail
	// RetryAfter is how long until the same request may succeed, of TooMany and Unavailable; 0 where it is
	// not known.
	RetryAfter time.Duration
}

// Error returns the kind and all details in one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Kind.String())
	for i, d := range e.Details {
		if i == 0 {
			b.WriteString(": ")
		} else {
			b.WriteString("; ")
		}
		if d.Field != "" {
			b.WriteString(d.Field + ": ")
		}
		b.WriteString(d.Message)
	}
	return b.String()
}

// New returns an *Error about the request as a whole.
func New(kind Kind, message string) error {
	return &Error{Kind: kind, Details: []Detail{{Message: message}}}
}

// Field returns an *Error of any kind about one field of the request.
func Field(kind Kind, field, message string) error {
	return &Error{Kind: kind, Details: []Detail{{Message: message, Field: field}}}
}

// InvalidField returns an Invalid *Error about one field of the request.
func InvalidField(field, message string) error {
	return Field(Invalid, field, message)
}

// TooOften returns a TooMany *Error: the client has to wait that long.
func TooOften(wait time.Duration, message string) error {
	return &Error{Kind: TooMany, Details: []Detail{{Message: message}}, RetryAfter: wait}
}

// Join collects several findings about one request, so that the client learns them all at once:
//
//	return fault.Join(checkTitle(t.Title), checkPrice(t.Price))
//
// It returns nil where every error is nil, and one Invalid *Error with the details of all of them
// where each is Invalid. Anything else weighs more than invalid fields: the first such error is
// returned as it is.
func Join(errs ...error) error {
	var details []Detail
	for _, err := range errs {
		if err == nil {
			continue
		}
		var f *Error
		if !errors.As(err, &f) || f.Kind != Invalid {
			return err
		}
		details = append(details, f.Details...)
	}
	if details == nil {
		return nil
	}
	return &Error{Kind: Invalid, Details: details}
}

// KindOf returns the kind of the first fault in err's tree, or 0 where there is none.
func KindOf(err error) Kind {
	var f *Error
	if errors.As(err, &f) {
		return f.Kind
	}
	return 0
}
