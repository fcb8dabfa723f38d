// Package event is the contract between the services: the channels, the payloads field for field, and
// what makes a payload acceptable. It is the wire contract of the Node.js version of this system, so a
// service written in either language understands the other. It does no I/O and knows nothing of ours.
//
//	source service                                       another service
//	Ticket{...} ── Encode ──> {"id":...,"version":7} ──> Decode ── Ticket{...}
//	                                                        └── *DecodeError: poison, to be parked
//
// Decoding is strict where it protects the reader (a missing or wrong field is an error that names it)
// and lenient where the contract grows (unknown fields are ignored).
package event

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Subject is the name of a channel on the bus.
type Subject string

// The channels of the contract (DESIGN.md, "Contract: events").
const (
	SubjectTicketCreated      Subject = "ticket:created"
	SubjectTicketUpdated      Subject = "ticket:updated"
	SubjectOrderCreated       Subject = "order:created"
	SubjectOrderCancelled     Subject = "order:cancelled"
	SubjectOrderCompleted     Subject = "order:completed"
	SubjectExpirationComplete Subject = "expiration:complete"
	SubjectPaymentCreated     Subject = "payment:created"
)

// Subjects returns every channel of the contract.
func Subjects() []Subject {
	return []Subject{
		SubjectTicketCreated, SubjectTicketUpdated,
		SubjectOrderCreated, SubjectOrderCancelled, SubjectOrderCompleted,
		SubjectExpirationComplete, SubjectPaymentCreated,
	}
}

// Payload is a pointer to one event: to a Ticket, OrderCreated, OrderCancelled, OrderCompleted,
// ExpirationComplete or PaymentCreated. It lets Encode and Decode be called with the plain type:
// Decode[event.Ticket](subject, data).
type Payload[T any] interface {
	*T
	payload[T]
}

type payload[T any] interface {
	// Subject is the channel the event belongs on.
	Subject() Subject
	// fields are the payload's fields as the contract of subject has them; nil where it does not belong there.
	fields(subject Subject) []field[T]
}

var (
	_ payload[Ticket]             = (*Ticket)(nil)
	_ payload[OrderCreated]       = (*OrderCreated)(nil)
	_ payload[OrderCancelled]     = (*OrderCancelled)(nil)
	_ payload[OrderCompleted]     = (*OrderCompleted)(nil)
	_ payload[ExpirationComplete] = (*ExpirationComplete)(nil)
	_ payload[PaymentCreated]     = (*PaymentCreated)(nil)
)

// Encode returns the payload as it goes on the wire: compact JSON with the fields in the contract's order
// and no HTML escapes, as JavaScript's JSON.stringify writes it. It refuses, with a *DecodeError, what Decode
// would refuse, so that nothing that breaks the contract is ever stored or published.
func Encode[T any, P Payload[T]](value T) ([]byte, error) {
	subject := P(&value).Subject()
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, fmt.Errorf("encode %s: %w", subject, err)
	}
	data := bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
	if _, err := Decode[T, P](subject, data); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return data, nil
}

// Decode reads a payload of type T that came on the channel subject. The error is a *DecodeError: data
// is not UTF-8 JSON, not one object, lacks a field, has a wrong one, or T does not belong on that channel.
func Decode[T any, P Payload[T]](subject Subject, data []byte) (T, error) {
	var value T
	fields := P(&value).fields(subject)
	if fields == nil {
		return value, &DecodeError{Subject: subject, Reason: fmt.Sprintf("is no channel of %T", value)}
	}
	err := decodeFields(subject, data, fields, &value)
	return value, err
}
