package main

import (
	"strings"
	"testing"

	"ticketing/pkg/event"
)

// keeps has an event of every subject that keeps the contract.
func keeps() map[event.Subject]string {
	const id = `"6a0000000000000000000001"`
	return map[event.Subject]string{
		event.SubjectTicketCreated:      `{"id":` + id + `,"version":0,"title":"t","price":20,"userId":` + id + `}`,
		event.SubjectTicketUpdated:      `{"id":` + id + `,"version":1,"title":"t","price":20,"userId":` + id + `}`,
		event.SubjectOrderCreated:       `{"id":` + id + `,"version":0,"status":"created","userId":` + id + `,"expiresAt":"2026-01-02T03:04:05.678Z","ticket":{"id":` + id + `,"price":20}}`,
		event.SubjectOrderCancelled:     `{"id":` + id + `,"version":1,"ticket":{"id":` + id + `}}`,
		event.SubjectOrderCompleted:     `{"id":` + id + `,"version":1,"ticket":{"id":` + id + `}}`,
		event.SubjectExpirationComplete: `{"orderId":` + id + `}`,
		event.SubjectPaymentCreated:     `{"id":` + id + `,"orderId":` + id + `,"stripeId":"ch_1"}`,
	}
}

func TestBreachKnowsEverySubject(t *testing.T) {
	t.Parallel()
	for _, subject := range event.Subjects() {
		data, ok := keeps()[subject]
		if !ok {
			t.Errorf("no event of %s to try", subject)
			continue
		}
		if err := breach(string(subject), []byte(data)); err != nil {
			t.Errorf("%s does not break the contract: %v", data, err)
		}
		err := breach(string(subject), []byte(`{}`))
		if err == nil || !strings.HasPrefix(err.Error(), string(subject)+": ") {
			t.Errorf("an empty %s: %v", subject, err)
		}
	}
}

func TestUnknownSubject(t *testing.T) {
	t.Parallel()
	for _, subject := range event.Subjects() {
		if err := unknownSubject(string(subject)); err != nil {
			t.Errorf("%s: %v", subject, err)
		}
	}
	err := unknownSubject("ticket:craeted")
	if err == nil || !strings.Contains(err.Error(), "ticket:craeted is no channel of the contract (ticket:created, ") {
		t.Errorf("got %v", err)
	}
}
