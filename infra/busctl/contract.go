package main

import (
	"fmt"
	"slices"
	"strings"

	"ticketing/pkg/event"
)

// breach says why the services will not take data as an event of subject. It is nil where they will, and
// for a subject that is no channel of the contract, which nobody listens to.
func breach(subject string, data []byte) error {
	var err error
	switch s := event.Subject(subject); s {
	case event.SubjectTicketCreated, event.SubjectTicketUpdated:
		_, err = event.Decode[event.Ticket](s, data)
	case event.SubjectOrderCreated:
		_, err = event.Decode[event.OrderCreated](s, data)
	case event.SubjectOrderCancelled:
		_, err = event.Decode[event.OrderCancelled](s, data)
	case event.SubjectOrderCompleted:
		_, err = event.Decode[event.OrderCompleted](s, data)
	case event.SubjectExpirationComplete:
		_, err = event.Decode[event.ExpirationComplete](s, data)
	case event.SubjectPaymentCreated:
		_, err = event.Decode[event.PaymentCreated](s, data)
	}
	return err
}

// unknownSubject says, where subject is no channel of the contract, which are; nil where it is one.
func unknownSubject(subject string) error {
	known := event.Subjects()
	if slices.Contains(known, event.Subject(subject)) {
		return nil
	}
	names := make([]string, len(known))
	for i, s := range known {
		names[i] = string(s)
	}
	return fmt.Errorf("%s is no channel of the contract (%s)", subject, strings.Join(names, ", "))
}
