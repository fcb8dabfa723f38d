package event

import "github.com/tidwall/gjson"

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

var _ described[OrderCreated] = (*OrderCreated)(nil)

func (*OrderCreated) fields() fields[OrderCreated] {
	return fields[OrderCreated]{
		{name: "id", read: func(v gjson.Result, o *OrderCreated) error { return readID(v, &o.ID) }},
		{name: "version", read: func(v gjson.Result, o *OrderCreated) error { return readVersion(v, &o.Version, 0, 0) }},
		{name: "status", read: func(v gjson.Result, o *OrderCreated) error {
			return readExactly(v, &o.Status, OrderStatusCreated)
		}},
		{name: "userId", read: func(v gjson.Result, o *OrderCreated) error { return readID(v, &o.UserID) }},
		{name: "expiresAt", read: func(v gjson.Result, o *OrderCreated) error { return readTime(v, &o.ExpiresAt) }},
		{name: "ticket", read: func(v gjson.Result, o *OrderCreated) error { return readOrderTicket(v, &o.Ticket) }},
	}
}

func readOrderTicket(value gjson.Result, into *OrderTicket) error {
	return readObject(value, "", &fields[OrderTicket]{
		{name: "id", read: func(v gjson.Result, t *OrderTicket) error { return readID(v, &t.ID) }},
		{name: "price", read: func(v gjson.Result, t *OrderTicket) error { return readPrice(v, &t.Price) }},
	}, into)
}

// OrderCancelled is the payload of order:cancelled: the ticket is free again.
type OrderCancelled struct {
	ID      ID        `json:"id"`
	Version Version   `json:"version"`
	Ticket  TicketRef `json:"ticket"`
}

// Subject is order:cancelled.
func (OrderCancelled) Subject() Subject { return SubjectOrderCancelled }

var _ described[OrderCancelled] = (*OrderCancelled)(nil)

func (*OrderCancelled) fields() fields[OrderCancelled] {
	return fields[OrderCancelled]{
		{name: "id", read: func(v gjson.Result, o *OrderCancelled) error { return readID(v, &o.ID) }},
		{name: "version", read: func(v gjson.Result, o *OrderCancelled) error {
			return readVersion(v, &o.Version, 1, MaxVersion)
		}},
		{name: "ticket", read: func(v gjson.Result, o *OrderCancelled) error { return readTicketRef(v, &o.Ticket) }},
	}
}

// OrderCompleted is the payload of order:completed: the ticket is sold. The Node version has no such event and changes
// the order silently.
type OrderCompleted struct {
	ID      ID        `json:"id"`
	Version Version   `json:"version"`
	Ticket  TicketRef `json:"ticket"`
}

// Subject is order:completed.
func (OrderCompleted) Subject() Subject { return SubjectOrderCompleted }

var _ described[OrderCompleted] = (*OrderCompleted)(nil)

func (*OrderCompleted) fields() fields[OrderCompleted] {
	return fields[OrderCompleted]{
		{name: "id", read: func(v gjson.Result, o *OrderCompleted) error { return readID(v, &o.ID) }},
		{name: "version", read: func(v gjson.Result, o *OrderCompleted) error {
			return readVersion(v, &o.Version, 1, MaxVersion)
		}},
		{name: "ticket", read: func(v gjson.Result, o *OrderCompleted) error { return readTicketRef(v, &o.Ticket) }},
	}
}

func readTicketRef(value gjson.Result, into *TicketRef) error {
	return readObject(value, "", &fields[TicketRef]{
		{name: "id", read: func(v gjson.Result, t *TicketRef) error { return readID(v, &t.ID) }},
	}, into)
}
