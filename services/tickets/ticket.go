package tickets

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/outbox"
)

// maxTitle is the most characters a title may have.
const maxTitle = 200

// Ticket is something for sale.
type Ticket struct {
	Title  string      `json:"title"`
	Price  event.Price `json:"price"`
	UserID event.ID    `json:"userId"`
	// OrderID names the order that holds the ticket; it is empty if none does.
	OrderID event.ID `json:"orderId,omitempty"`
	// Sold reports that the order is paid. Others are not told: to them a ticket is held or not.
	Sold bool `json:"sold,omitempty"`
	// Waiting are the other orders that are not known to be cancelled, in the order of their arrival.
	Waiting []Claim `json:"waiting,omitempty"`
}

// Status is how a ticket stands.
type Status string

// The states of a ticket.
const (
	Free     Status = "free"
	Reserved Status = "reserved"
	Sold     Status = "sold"
)

// Status returns how the ticket stands.
func (t Ticket) Status() Status {
	switch {
	case t.Sold:
		return Sold
	case t.OrderID != "":
		return Reserved
	}
	return Free
}

// Draft is what a seller says about a ticket.
type Draft struct {
	Title string `json:"title"`
	Price Asked  `json:"price"`
}

// Asked is a price as a seller writes it: a JSON number or, as the page of the Node version sends it, a string of one.
type Asked event.Price

// UnmarshalJSON accepts what event.ParsePrice accepts, with or without quotes.
func (a *Asked) UnmarshalJSON(data []byte) error {
	text := string(data)
	if strings.HasPrefix(text, `"`) {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	price, err := event.ParsePrice(strings.TrimSpace(text))
	*a = Asked(price)
	return err
}

// MarshalJSON writes a JSON number.
func (a Asked) MarshalJSON() ([]byte, error) { return event.Price(a).MarshalJSON() }

// Offer makes a new ticket of a seller's draft.
func Offer(seller event.ID, draft Draft) (Ticket, error) {
	if err := draft.check(); err != nil {
		return Ticket{}, err
	}
	return Ticket{Title: draft.Title, Price: event.Price(draft.Price), UserID: seller}, nil
}

// Edit changes title and price. Only the seller may, and only while no order holds the ticket; a draft
// that says what is so already is outbox.ErrNoChange.
func (t Ticket) Edit(editor event.ID, draft Draft) (Ticket, error) {
	if t.UserID != editor {
		return t, fault.New(fault.Forbidden, "this ticket belongs to somebody else")
	}
	if err := draft.check(); err != nil {
		return t, err
	}
	if t.OrderID != "" {
		return t, fault.New(fault.Conflict, "this ticket is "+string(t.Status())+" and cannot be changed")
	}
	if t.Title == draft.Title && t.Price == event.Price(draft.Price) {
		return t, outbox.ErrNoChange
	}
	t.Title, t.Price = draft.Title, event.Price(draft.Price)
	return t, nil
}

func (d Draft) check() error {
	return fault.Join(checkTitle(d.Title), checkPrice(event.Price(d.Price)))
}

func checkTitle(title string) error {
	visible := func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }
	switch {
	case strings.IndexFunc(title, visible) < 0:
		return fault.InvalidField("title", "must not be empty")
	case strings.ContainsFunc(title, unicode.IsControl):
		return fault.InvalidField("title", "must not have control characters")
	case utf8.RuneCountInString(title) > maxTitle:
		return fault.InvalidField("title", "must have at most 200 characters")
	}
	return nil
}

// checkPrice finds a price that was left out; a wrong one does not get through event.Price.
func checkPrice(p event.Price) error {
	if p < 1 || p > event.MaxPrice {
		return fault.InvalidField("price", "must be greater than 0 and at most "+event.MaxPrice.String())
	}
	return nil
}

// The values that tickets are listed by.
const (
	statusIndex = "status"
	sellerIndex = "seller"
)

// kind is how tickets are kept.
func kind() outbox.Kind[Ticket] { return outbox.Kind[Ticket]{Index: index, Announce: announce} }

func index(ticket outbox.Entity[Ticket]) map[string]string {
	return map[string]string{
		statusIndex: string(ticket.State.Status()),
		sellerIndex: string(ticket.State.UserID),
	}
}

// announce is the event that announces a ticket at its version.
func announce(ticket outbox.Entity[Ticket]) (event.Subject, []byte, error) {
	payload := event.Ticket{
		ID: ticket.ID, Version: ticket.Version,
		Title: ticket.State.Title, Price: ticket.State.Price,
		UserID: ticket.State.UserID, OrderID: ticket.State.OrderID,
	}
	data, err := event.Encode(payload)
	return payload.Subject(), data, err
}
