package event

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

func (t *Ticket) fields(subject Subject) []field {
	least, most := Version(1), MaxVersion
	switch subject {
	case SubjectTicketCreated:
		least, most = 0, 0
	case SubjectTicketUpdated:
	default:
		return nil
	}
	fields := []field{
		required("id", &t.ID, readID),
		required("version", &t.Version, readVersion(least, most)),
		required("title", &t.Title, readText),
		required("price", &t.Price, readPrice),
		required("userId", &t.UserID, readID),
	}
	if subject == SubjectTicketUpdated {
		fields = append(fields, optional("orderId", &t.OrderID, readID))
	}
	return fields
}
