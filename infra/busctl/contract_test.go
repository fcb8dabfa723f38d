package main

import (
	"strings"
	"testing"

	"ticketing/pkg/event"
)

// goldenEvent returns an event of subject that keeps the contract.
func goldenEvent(t *testing.T, subject event.Subject) string {
	t.Helper()
	row, err := event.Lookup(subject)
	if err != nil {
		t.Fatal(err)
	}
	return row.Golden
}

func TestBreach(t *testing.T) {
	t.Parallel()
	for row := range event.Contract {
		if err := breach(string(row.Subject), []byte(row.Golden)); err != nil {
			t.Errorf("%s does not break the contract: %v", row.Golden, err)
		}
		err := breach(string(row.Subject), []byte(`{}`))
		if err == nil || !strings.HasPrefix(err.Error(), string(row.Subject)+": ") {
			t.Errorf("an empty %s: %v", row.Subject, err)
		}
	}
	err := breach("ticket:craeted", []byte(goldenEvent(t, event.SubjectTicketCreated)))
	if err == nil || !strings.HasPrefix(err.Error(), "ticket:craeted: unknown subject") {
		t.Errorf("an unknown subject: %v", err)
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
	if err == nil || !strings.Contains(err.Error(), "ticket:craeted: unknown subject; the contract has ticket:created, ") {
		t.Errorf("got %v", err)
	}
}
