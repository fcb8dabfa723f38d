package orders

import (
	"errors"
	"testing"

	"ticketing/pkg/event"
)

func TestDecodeTicket(t *testing.T) {
	before := Ticket{Title: "before", Price: 1, UserID: stranger, OrderID: orderID}
	for _, tt := range []struct {
		name    string
		subject event.Subject
		data    string
		version event.Version
		want    Ticket
	}{
		{"created", event.SubjectTicketCreated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":0,"title":"concert","price":20,"userId":"65a1b2c3d4e5f60718293a00"}`,
			0, Ticket{Title: "concert", Price: 2000, UserID: buyer}},
		{"updated, and so no longer held", event.SubjectTicketUpdated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":3,"title":"opera","price":10.05,"userId":"65a1b2c3d4e5f60718293a00"}`,
			3, Ticket{Title: "opera", Price: 1005, UserID: buyer}},
		{"held", event.SubjectTicketUpdated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":4,"title":"opera","price":10.05,"userId":"65a1b2c3d4e5f60718293a00","orderId":"65a1b2c3d4e5f60718293aff"}`,
			4, Ticket{Title: "opera", Price: 1005, UserID: buyer, OrderID: orderID}},
		{"held by null, with what Mongoose adds", event.SubjectTicketUpdated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":5,"title":"opera","price":10.05,"userId":"65a1b2c3d4e5f60718293a00","orderId":null,"__v":5}`,
			5, Ticket{Title: "opera", Price: 1005, UserID: buyer}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change, err := decodeTicket(tt.subject, []byte(tt.data))
			if err != nil {
				t.Fatal(err)
			}
			if change.ID != ticketID || change.Version != tt.version {
				t.Errorf("it is version %d of %s, want %d of %s", change.Version, change.ID, tt.version, ticketID)
			}
			if got := change.Apply(before); got != tt.want {
				t.Errorf("Apply = %+v, want %+v", got, tt.want)
			}
			if got := change.Apply(tt.want); got != tt.want {
				t.Errorf("applied to its own result = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestDecodeTicketRefusesPoison(t *testing.T) {
	for _, tt := range []struct {
		name    string
		subject event.Subject
		data    string
		field   string
	}{
		{"no JSON", event.SubjectTicketCreated, `hello`, ""},
		{"the tutorial's event", event.SubjectTicketCreated, `{"id":"123","title":"concert","price":20}`, "id"},
		{"no version", event.SubjectTicketCreated,
			`{"id":"65a1b2c3d4e5f60718293a4b","title":"concert","price":20,"userId":"65a1b2c3d4e5f60718293a00"}`, "version"},
		{"version 0 of an update", event.SubjectTicketUpdated,
			`{"id":"65a1b2c3d4e5f60718293a4b","version":0,"title":"concert","price":20,"userId":"65a1b2c3d4e5f60718293a00"}`, "version"},
	} {
		_, err := decodeTicket(tt.subject, []byte(tt.data))
		var poison *event.DecodeError
		if !errors.As(err, &poison) || poison.Field != tt.field || poison.Subject != tt.subject {
			t.Errorf("%s: %v, want an error about field %q of %s", tt.name, err, tt.field, tt.subject)
		}
	}
}
