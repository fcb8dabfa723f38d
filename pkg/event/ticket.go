package event

import "github.com/tidwall/gjson"

// Ticket is the payload of ticket:created (version 0) and ticket:updated (every later version): the
// whole ticket as it is at that version.
type Ticket struct {
	ID      ID      `json:"id"`
	Version Version `json:"version"`
	// Title is not empty.
	Title  string `json:"title"`
	Price  Price  `json:"price"`
	UserID ID     `json:"userId"`
	// OrderID names the order that holds the ticket while it is reserved or sold, else empty.
	OrderID ID `json:"orderId,omitempty"`
}

// Subject follows from the version.
func (t Ticket) Subject() Subject {
	if t.Version == 0 {
		return SubjectTicketCreated
	}
	return SubjectTicketUpdated
}

func (*Ticket) fields(subject Subject) []field[Ticket] {
	readVersion := ticketCreated
	switch subject {
	case SubjectTicketCreated:
	case SubjectTicketUpdated:
		readVersion = ticketUpdated
	default:
		return nil
	}
	fields := []field[Ticket]{
		{name: "id", read: func(v gjson.Result, t *Ticket) error { return readID(v, &t.ID) }},
		{name: "version", read: readVersion},
		{name: "title", read: func(v gjson.Result, t *Ticket) error { return readText(v, &t.Title) }},
		{name: "price", read: func(v gjson.Result, t *Ticket) error { return readPrice(v, &t.Price) }},
		{name: "userId", read: func(v gjson.Result, t *Ticket) error { return readID(v, &t.UserID) }},
		{name: "orderId", read: func(v gjson.Result, t *Ticket) error { return readID(v, &t.OrderID) }, optional: true},
	}
	if subject == SubjectTicketCreated {
		fields = fields[:len(fields)-1] // nobody can have reserved it
	}
	return fields
}

func ticketCreated(v gjson.Result, t *Ticket) error { return readVersion(v, &t.Version, 0, 0) }

func ticketUpdated(v gjson.Result, t *Ticket) error { return readVersion(v, &t.Version, 1, MaxVersion) }
