package event_test

import (
	"encoding/json"
	"testing"

	"ticketing/pkg/event"
)

// BenchmarkDecode has what every delivery costs before anything is decided. The reference decodes the same
// payload into a struct of plain fields, with none of the contract's checks.
func BenchmarkDecode(b *testing.B) {
	data, err := event.Encode(event.Ticket{
		ID: ticketID, Version: 3, Title: "A title of some length. A title of some length.", Price: 2050, UserID: userID,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("contract", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := event.Decode[event.Ticket](event.SubjectTicketUpdated, data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("plain", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var ticket struct {
				ID      string  `json:"id"`
				Version int64   `json:"version"`
				Title   string  `json:"title"`
				Price   float64 `json:"price"`
				UserID  string  `json:"userId"`
			}
			if err := json.Unmarshal(data, &ticket); err != nil {
				b.Fatal(err)
			}
		}
	})
}
