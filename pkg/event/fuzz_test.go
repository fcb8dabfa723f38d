package event_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
)

// FuzzDecode gives any bytes to every decoder. What one accepts has to be encoded again to bytes that
// mean the same: nothing gets in that could not get out.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) == 0 {
		f.Fatal("no golden files", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"orderId":null}`))
	f.Add(bytes.Repeat([]byte("["), 20000))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, subject := range event.Subjects() {
			roundTrip[event.Ticket](t, subject, data)
			roundTrip[event.OrderCreated](t, subject, data)
			roundTrip[event.OrderCancelled](t, subject, data)
			roundTrip[event.OrderCompleted](t, subject, data)
			roundTrip[event.ExpirationComplete](t, subject, data)
			roundTrip[event.PaymentCreated](t, subject, data)
		}
	})
}

func roundTrip[T any, P event.Payload[T]](t *testing.T, subject event.Subject, data []byte) {
	value, err := event.Decode[T, P](subject, data)
	if err != nil {
		return
	}
	if got := P(&value).Subject(); got != subject {
		t.Fatalf("%s was accepted as an event of %s", subject, got)
	}
	encoded, err := event.Encode[T, P](value)
	if err != nil {
		t.Fatalf("accepted %q but cannot encode it: %v", data, err)
	}
	back, err := event.Decode[T, P](subject, encoded)
	if err != nil || !cmp.Equal(value, back) {
		t.Fatalf("%q became %q: %v\n%s", data, encoded, err, cmp.Diff(value, back))
	}
}
