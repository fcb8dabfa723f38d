// Package event is the contract between the services: the channels, the payloads field for field, and what makes a
// payload acceptable (docs/contract.md, Events). It is the wire contract of the Node.js version of this system, so a
// service written in either language understands the other. It does no I/O and knows no service.
//
//	source service                                       another service
//	Ticket{...} ── Encode ──> {"id":...,"version":7} ──> Decode ── Ticket{...}
//	                                                        └── *DecodeError: poison, to be parked
//
// The function Contract has the table of all events. Decoding is strict if that protects the reader: a missing or
// invalid field is an error that names it. It is lenient where the contract grows: unknown fields are ignored.
//
// To add an event, write a payload type and its row in Contract. To add a field to a payload, make it optional for
// ever, because history is replayed, and name its channel if not all of the payload's channels have it.
package event

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Subject is the name of a channel on the bus.
type Subject string

// The channels of the contract. Each has a row in Contract.
const (
	SubjectTicketCreated      Subject = "ticket:created"
	SubjectTicketUpdated      Subject = "ticket:updated"
	SubjectOrderCreated       Subject = "order:created"
	SubjectOrderCancelled     Subject = "order:cancelled"
	SubjectOrderCompleted     Subject = "order:completed"
	SubjectExpirationComplete Subject = "expiration:complete"
	SubjectPaymentCreated     Subject = "payment:created"
)

// Terminal reports whether an event on the channel ends its entity's history (docs/contract.md, Verdicts).
func (s Subject) Terminal() bool { return s == SubjectOrderCancelled || s == SubjectOrderCompleted }

// Payload is a pointer to a payload type, such as Ticket. It lets Encode and Decode be called with the plain type:
// Decode[event.Ticket](subject, data).
type Payload[T any] interface {
	*T
	described[T]
}

// described is what a payload type has to say of itself.
type described[T any] interface {
	// Subject is the channel the event belongs on.
	Subject() Subject
	// fields returns the payload's fields on all of its channels, in the order they are written. The pointer may be
	// nil.
	fields() fields[T]
}

// Encode returns the payload as it goes on the wire: compact JSON with the fields in the contract's order and no HTML
// escapes, as JavaScript's JSON.stringify writes it. It returns a *DecodeError if Decode would, or if a reader would
// not see all of value, so that nothing that breaks the contract is ever stored or published.
func Encode[T any, P Payload[T]](value T) ([]byte, error) {
	subject := P(&value).Subject()
	data, err := marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", subject, err)
	}
	seen, err := Decode[T, P](subject, data)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	if again, err := marshal(seen); err != nil || !bytes.Equal(data, again) {
		return nil, fmt.Errorf("encode: %w", &DecodeError{Subject: subject, Reason: "has a field that is not on this channel"})
	}
	return data, nil
}

func marshal(value any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

// Decode reads a payload of type T that came on the channel subject. The error is a *DecodeError: data is not UTF-8
// JSON, is not one object, lacks a field or has an invalid one, or T does not belong on that channel.
func Decode[T any, P Payload[T]](subject Subject, data []byte) (T, error) {
	var value T
	if err := belongs[T, P](subject); err != nil {
		return value, err
	}
	list := P(nil).fields()
	err := decodeFields(subject, data, &list, &value)
	return value, err
}
