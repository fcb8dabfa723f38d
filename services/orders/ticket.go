package orders

import (
	"ticketing/pkg/event"
	"ticketing/pkg/replica"
)

// Ticket is a ticket as orders has seen it.
type Ticket struct {
	Title  string      `json:"title"`
	Price  event.Price `json:"price"`
	UserID event.ID    `json:"userId"`
	// OrderID names the order that the tickets service knows to hold it; empty if there is none.
	OrderID event.ID `json:"orderId,omitempty"`
}

// ticketKind is how tickets are replicated.
func ticketKind() replica.Kind[Ticket] {
	return replica.Kind[Ticket]{
		Name:     "ticket",
		Subjects: []event.Subject{event.SubjectTicketCreated, event.SubjectTicketUpdated},
		Decode:   decodeTicket,
	}
}

// decodeTicket reads either event of a ticket. Each carries the whole ticket.
func decodeTicket(subject event.Subject, data []byte) (replica.Change[Ticket], error) {
	payload, err := event.Decode[event.Ticket](subject, data)
	if err != nil {
		return replica.Change[Ticket]{}, err
	}
	return replica.Change[Ticket]{
		ID: payload.ID, Version: payload.Version, Whole: true,
		Apply: func(Ticket) Ticket {
			return Ticket{Title: payload.Title, Price: payload.Price, UserID: payload.UserID, OrderID: payload.OrderID}
		},
	}, nil
}
