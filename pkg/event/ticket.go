package event

import "github.com/tidwall/gjson"

// Ticket is the payload of ticket:created (version 0) and ticket:updated (every later version): the whole ticket as it
// is at that version.
type Ticket struct {
	ID      ID      `json:"id"`
	Version Version `json:"version"`
	// Title is not empty.
	Title  string `json:"title"`
	Price  Price  `json:"price"`
	UserID ID     `json:"userId"`
	// OrderID names the order that holds the ticket while it is reserved or sold; it is empty otherwise.
	OrderID ID `json:"orderId,omitempty"`
}

// Subject follows from the version.
func (t Ticket) Subject() Subject {
	if t.Version == 0 {
		return SubjectTicketCreated
	}
	return SubjectTicketUpdated
}

var _ described[Ticket] = (*Ticket)(nil)

func (*Ticket) fields() fields[Ticket] {
	return fields[Ticket]{
		{name: "id", read: func(v gjson.Result, t *Ticket) error { return readID(v, &t.ID) }},
		{name: "version", on: SubjectTicketCreated,
			read: func(v gjson.Result, t *Ticket) error { return readVersion(v, &t.Version, 0, 0) }},
		{name: "version", on: SubjectTicketUpdated,
			read: func(v gjson.Result, t *Ticket) error { return readVersion(v, &t.Version, 1, MaxVersion) }},
		{name: "title", read: func(v gjson.Result, t *Ticket) error { return readText(v, &t.Title) }},
		{name: "price", read: func(v gjson.Result, t *Ticket) error { return readPrice(v, &t.Price) }},
		{name: "userId", read: func(v gjson.Result, t *Ticket) error { return readID(v, &t.UserID) }},
		{name: "orderId", on: SubjectTicketUpdated, optional: true, // nobody can have reserved a new ticket
			read: func(v gjson.Result, t *Ticket) error { return readID(v, &t.OrderID) }},
	}
}
