package event_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
)

const (
	ticketID = event.ID("65a1b2c3d4e5f60718293a4b")
	orderID  = event.ID("65a1b2c3d4e5f60718293aff")
	userID   = event.ID("65a1b2c3d4e5f60718293a00")
)

func TestDecodeRefuses(t *testing.T) {
	const valid = `{"id":"65a1b2c3d4e5f60718293a4b","version":3,"title":"a","price":10,"userId":"65a1b2c3d4e5f60718293a00"}`
	replace := func(old, new string) string {
		if !strings.Contains(valid, old) {
			t.Fatalf("%q is not in the valid payload", old)
		}
		return strings.Replace(valid, old, new, 1)
	}
	tests := []struct {
		name, data, field, reason string
	}{
		{"nothing", ``, "", "not JSON"},
		{"not JSON", `hello`, "", "not JSON"},
		{"cut off", valid[:40], "", "not JSON"},
		{"two values", valid + valid, "", "not JSON"},
		{"null", `null`, "", "must be a JSON object"},
		{"an array", `[` + valid + `]`, "", "must be a JSON object"},
		{"not UTF-8", replace(`"a"`, "\"\xff\""), "", "not valid UTF-8"},
		{"no id", replace(`"id":"65a1b2c3d4e5f60718293a4b",`, ``), "id", "missing"},
		{"id null", replace(`"65a1b2c3d4e5f60718293a4b"`, `null`), "id", "missing"},
		{"id under another case", replace(`"id"`, `"ID"`), "id", "missing"},
		{"id short", replace(`65a1b2c3d4e5f60718293a4b`, `65a1`), "id", "24 hex digits"},
		{"id not hex", replace(`65a1b2c3d4e5f60718293a4b`, `65a1b2c3d4e5f60718293a4g`), "id", "hex digits"},
		{"id upper case", replace(`65a1b2c3d4e5f60718293a4b`, `65A1B2C3D4E5F60718293A4B`), "id", "lower-case"},
		{"id a number", replace(`"65a1b2c3d4e5f60718293a4b"`, `7`), "id", "string"},
		{"no version", replace(`"version":3,`, ``), "version", "missing"},
		{"version negative", replace(`:3`, `:-1`), "version", "must be 1 to"},
		{"version 0 on updated", replace(`:3`, `:0`), "version", "must be 1 to"},
		{"version fraction", replace(`:3`, `:3.5`), "version", "integer"},
		{"version exponent", replace(`:3`, `:3e0`), "version", "integer"},
		{"version a string", replace(`:3`, `:"3"`), "version", "integer"},
		{"version unsafe in JavaScript", replace(`:3`, `:9007199254740992`), "version", "must be 1 to"},
		{"version beyond 64 bits", replace(`:3`, `:92233720368547758080`), "version", "at most"},
		{"title empty", replace(`"a"`, `""`), "title", "empty"},
		{"title a number", replace(`"a"`, `1`), "title", "string"},
		{"price a string", replace(`:10`, `:"10"`), "price", "number"},
		{"price zero", replace(`:10`, `:0`), "price", "greater than 0"},
		{"price negative", replace(`:10`, `:-10`), "price", "greater than 0"},
		{"price three decimals", replace(`:10`, `:10.005`), "price", "two decimals"},
		{"price too high", replace(`:10`, `:100000000`), "price", "at most 99999999.99"},
		{"price beyond floats", replace(`:10`, `:1e400`), "price", "at most"},
		{"no user", replace(`,"userId":"65a1b2c3d4e5f60718293a00"`, ``), "userId", "missing"},
		{"orderId wrong", replace(`"title"`, `"orderId":"x","title"`), "orderId", "24 hex digits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := event.Decode[event.Ticket](event.SubjectTicketUpdated, []byte(tt.data))
			var decodeError *event.DecodeError
			if !errors.As(err, &decodeError) {
				t.Fatalf("error is %v, want a *DecodeError", err)
			}
			if decodeError.Field != tt.field || !strings.Contains(decodeError.Reason, tt.reason) {
				t.Errorf("got field %q, reason %q; want field %q, reason with %q",
					decodeError.Field, decodeError.Reason, tt.field, tt.reason)
			}
			if decodeError.Subject != event.SubjectTicketUpdated {
				t.Errorf("subject is %q", decodeError.Subject)
			}
		})
	}
}

func TestDecodeNamesANestedField(t *testing.T) {
	data := `{"id":"65a1b2c3d4e5f60718293aff","version":1,"ticket":{"id":7}}`
	_, err := event.Decode[event.OrderCancelled](event.SubjectOrderCancelled, []byte(data))
	if want := "order:cancelled: ticket.id: must be a string of 24 hex digits"; err == nil || err.Error() != want {
		t.Errorf("error is %v, want %s", err, want)
	}
}

func TestDecodeRefusesAnOrderCreated(t *testing.T) {
	const valid = `{"id":"65a1b2c3d4e5f60718293aff","version":0,"status":"created","userId":"65a1b2c3d4e5f60718293a00",` +
		`"expiresAt":"2026-01-02T03:04:05.678Z","ticket":{"id":"65a1b2c3d4e5f60718293a4b","price":10}}`
	if _, err := event.Decode[event.OrderCreated](event.SubjectOrderCreated, []byte(valid)); err != nil {
		t.Fatalf("the valid payload: %v", err)
	}
	for _, tt := range []struct{ old, new, want string }{
		{`"created"`, `"cancelled"`, `status: must be "created"`},
		{`"created"`, `""`, `status: must not be empty`},
		{`"created"`, `1`, `status: must be a string`},
		{`"version":0`, `"version":1`, `version: must be 0 on this channel`},
		{`2026-01-02T`, `2026-01-02 `, `expiresAt: must be a time`},
		{`"price":10`, `"price":0`, `ticket.price: must be greater than 0`},
	} {
		data := strings.Replace(valid, tt.old, tt.new, 1)
		_, err := event.Decode[event.OrderCreated](event.SubjectOrderCreated, []byte(data))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("with %s: error is %v, want %s", tt.new, err, tt.want)
		}
	}
}

func TestDecodeAccepts(t *testing.T) {
	tests := []struct {
		name    string
		subject event.Subject
		data    string
		want    event.Ticket
	}{
		{"unknown fields", event.SubjectTicketCreated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":0,"title":"a","price":1e1,"userId":"65a1b2c3d4e5f60718293a00","seats":[{"row":1}]}`,
			event.Ticket{ID: ticketID, Title: "a", Price: 1000, UserID: userID}},
		{"orderId null", event.SubjectTicketUpdated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":1,"title":"a","price":0.01,"userId":"65a1b2c3d4e5f60718293a00","orderId":null}`,
			event.Ticket{ID: ticketID, Version: 1, Title: "a", Price: 1, UserID: userID}},
		{"the highest version", event.SubjectTicketUpdated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":9007199254740991,"title":"a","price":1,"userId":"65a1b2c3d4e5f60718293a00"}`,
			event.Ticket{ID: ticketID, Version: 9007199254740991, Title: "a", Price: 100, UserID: userID}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := event.Decode[event.Ticket](tt.subject, []byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeRefusesAnotherChannel(t *testing.T) {
	data := `{"orderId":"65a1b2c3d4e5f60718293aff"}`
	if _, err := event.Decode[event.ExpirationComplete](event.SubjectPaymentCreated, []byte(data)); err == nil {
		t.Error("a payload was accepted on a channel of another type")
	}
}

func TestEncodeRefusesWhatBreaksTheContract(t *testing.T) {
	tests := map[string]event.Ticket{
		"orderId on ticket:created": {ID: ticketID, Title: "a", Price: 1, UserID: userID, OrderID: orderID},
		"no price":                  {ID: ticketID, Title: "a", UserID: userID},
		"no title":                  {ID: ticketID, Price: 1, UserID: userID},
		"no user":                   {ID: ticketID, Title: "a", Price: 1},
		"version":                   {ID: ticketID, Title: "a", Price: 1, UserID: userID, Version: event.MaxVersion + 1},
	}
	for name, ticket := range tests {
		if _, err := event.Encode(ticket); err == nil {
			t.Errorf("%s: %+v was encoded", name, ticket)
		}
	}
}
