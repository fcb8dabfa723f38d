package event

// OrderStatusCreated is the status in order:created.
const OrderStatusCreated = "created"

// OrderTicket is the ticket an order is for, at the price it was reserved at.
type OrderTicket struct {
	ID    ID    `json:"id"`
	Price Price `json:"price"`
}

// TicketRef names the ticket an order was for.
type TicketRef struct {
	ID ID `json:"id"`
}

// OrderCreated is the payload of order:created, always version 0 of an order.
type OrderCreated struct {
	ID      ID      `json:"id"`
	Version Version `json:"version"`
	// Status is OrderStatusCreated.
	Status string `json:"status"`
	UserID ID     `json:"userId"`
	// ExpiresAt is when an unpaid order gives its ticket back.
	ExpiresAt Time        `json:"expiresAt"`
	Ticket    OrderTicket `json:"ticket"`
}

// Subject is order:created.
func (OrderCreated) Subject() Subject { return SubjectOrderCreated }

func (o *OrderCreated) fields(subject Subject) []field {
	if subject != SubjectOrderCreated {
		return nil
	}
	return []field{
		required("id", &o.ID, readID),
		required("version", &o.Version, readVersion(0, 0)),
		required("status", &o.Status, readExactly(OrderStatusCreated)),
		required("userId", &o.UserID, readID),
		required("expiresAt", &o.ExpiresAt, readTime),
		nested("ticket",
			required("id", &o.Ticket.ID, readID),
			required("price", &o.Ticket.Price, readPrice)),
	}
}

// OrderCancelled is the payload of order:cancelled: the ticket is free again.
type OrderCancelled struct {
	ID      ID        `json:"id"`
	Version Version   `json:"version"`
	Ticket  TicketRef `json:"ticket"`
}

// Subject is order:cancelled.
func (OrderCancelled) Subject() Subject { return SubjectOrderCancelled }

func (o *OrderCancelled) fields(subject Subject) []field {
	if subject != SubjectOrderCancelled {
		return nil
	}
	return orderEnd(&o.ID, &o.Version, &o.Ticket)
}

// OrderCompleted is the payload of order:completed: the ticket is sold. The Node version has no such
// event; without it that version of an order would be silent (DESIGN.md).
type OrderCompleted struct {
	ID      ID        `json:"id"`
	Version Version   `json:"version"`
	Ticket  TicketRef `json:"ticket"`
}

// Subject is order:completed.
func (OrderCompleted) Subject() Subject { return SubjectOrderCompleted }

func (o *OrderCompleted) fields(subject Subject) []field {
	if subject != SubjectOrderCompleted {
		return nil
	}
	return orderEnd(&o.ID, &o.Version, &o.Ticket)
}

func orderEnd(id *ID, version *Version, ticket *TicketRef) []field {
	return []field{
		required("id", id, readID),
		required("version", version, readVersion(1, MaxVersion)),
		nested("ticket", required("id", &ticket.ID, readID)),
	}
}
