package event

import (
	"fmt"
	"strings"
)

// Contract calls yield with each event of the contract until yield returns false: range over it. A new event is a
// payload type and a row here; Subjects, Lookup, Decode and the tests follow from the rows. The golden examples are
// what the Node services send, byte for byte.
//
// It is a function, not a slice, because Decode looks its channel up for every event and must not allocate for that.
func Contract(yield func(Row) bool) {
	_ = yield(Row{SubjectTicketCreated, of[Ticket](),
		`{"id":"65a1b2c3d4e5f60718293a4b","version":0,"title":"Rock & Roll <live>","price":20,` +
			`"userId":"65a1b2c3d4e5f60718293a00"}`}) &&
		yield(Row{SubjectTicketUpdated, of[Ticket](),
			`{"id":"65a1b2c3d4e5f60718293a4b","version":4,"title":"concert","price":99999999.99,` +
				`"userId":"65a1b2c3d4e5f60718293a00","orderId":"65a1b2c3d4e5f60718293aff"}`}) &&
		yield(Row{SubjectOrderCreated, of[OrderCreated](),
			`{"id":"65a1b2c3d4e5f60718293aff","version":0,"status":"created","userId":"65a1b2c3d4e5f60718293a00",` +
				`"expiresAt":"2026-01-02T03:04:05.678Z","ticket":{"id":"65a1b2c3d4e5f60718293a4b","price":0.5}}`}) &&
		yield(Row{SubjectOrderCancelled, of[OrderCancelled](),
			`{"id":"65a1b2c3d4e5f60718293aff","version":1,"ticket":{"id":"65a1b2c3d4e5f60718293a4b"}}`}) &&
		yield(Row{SubjectOrderCompleted, of[OrderCompleted](),
			`{"id":"65a1b2c3d4e5f60718293aff","version":1,"ticket":{"id":"65a1b2c3d4e5f60718293a4b"}}`}) &&
		yield(Row{SubjectExpirationComplete, of[ExpirationComplete](),
			`{"orderId":"65a1b2c3d4e5f60718293aff"}`}) &&
		yield(Row{SubjectPaymentCreated, of[PaymentCreated](),
			`{"id":"65a1b2c3d4e5f60718293a77","orderId":"65a1b2c3d4e5f60718293aff","stripeId":"ch_3OaXYZ2eZvKYlo2C"}`})
}

// Row is one event of the contract: a channel and what goes on it.
type Row struct {
	// Subject is the channel.
	Subject Subject

	payload codec

	// Golden is an example that has every field, as Encode writes it.
	Golden string
}

// Field is a field of a payload.
type Field struct {
	Name string
	// Optional reports that an event may lack the field.
	Optional bool
}

// Fields returns the fields that the payload has on this channel, in the order they are written. Those of a nested
// object are not listed.
func (r Row) Fields() []Field { return r.payload.fields(r.Subject) }

// Decode returns what event.Decode returns for the row's channel and payload type.
func (r Row) Decode(data []byte) (any, error) { return r.payload.decode(r.Subject, data) }

// Subjects returns every channel of the contract.
func Subjects() []Subject {
	var subjects []Subject
	for row := range Contract {
		subjects = append(subjects, row.Subject)
	}
	return subjects
}

// Lookup returns the row of a channel. For a channel that has none it returns a *DecodeError that names those that
// have.
func Lookup(subject Subject) (Row, error) {
	for row := range Contract {
		if row.Subject == subject {
			return row, nil
		}
	}
	var known []string
	for row := range Contract {
		known = append(known, string(row.Subject))
	}
	reason := "unknown subject; the contract has " + strings.Join(known, ", ")
	return Row{}, &DecodeError{Subject: subject, Reason: reason}
}

// belongs returns an error if T does not belong on the channel.
func belongs[T any, P Payload[T]](subject Subject) error {
	row, err := Lookup(subject)
	if err != nil {
		return err
	}
	if _, ok := row.payload.(codecOf[T, P]); !ok {
		return &DecodeError{Subject: subject, Reason: fmt.Sprintf("is no channel of %T", *new(T))}
	}
	return nil
}

// codec is a payload type, for code that does not name it.
type codec interface {
	decode(subject Subject, data []byte) (any, error)
	encode(value any) ([]byte, error)
	fields(subject Subject) []Field
}

type codecOf[T any, P Payload[T]] struct{}

func of[T any, P Payload[T]]() codec { return codecOf[T, P]{} }

func (codecOf[T, P]) decode(subject Subject, data []byte) (any, error) {
	return Decode[T, P](subject, data)
}

func (codecOf[T, P]) encode(value any) ([]byte, error) { return Encode[T, P](value.(T)) }

func (codecOf[T, P]) fields(subject Subject) (found []Field) {
	for _, f := range P(nil).fields() {
		if f.isOn(subject) {
			found = append(found, Field{f.name, f.optional})
		}
	}
	return found
}
