package event_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
)

// FuzzDecode gives any bytes to every decoder. What one accepts must encode to bytes that mean the same: nothing gets
// in that could not get out.
func FuzzDecode(f *testing.F) {
	for row := range event.Contract {
		f.Add([]byte(row.Golden))
	}
	f.Add([]byte(`{"orderId":null}`))
	f.Add(bytes.Repeat([]byte("["), 20000))
	f.Fuzz(func(t *testing.T, data []byte) {
		for row := range event.Contract {
			roundTrip(t, row, data)
		}
	})
}

func roundTrip(t *testing.T, row event.Row, data []byte) {
	value, err := row.Decode(data)
	if err != nil {
		return
	}
	if got := value.(interface{ Subject() event.Subject }).Subject(); got != row.Subject {
		t.Fatalf("%s was accepted as an event of %s", row.Subject, got)
	}
	encoded, err := row.Encode(value)
	if err != nil {
		t.Fatalf("accepted %q but cannot encode it: %v", data, err)
	}
	back, err := row.Decode(encoded)
	if err != nil || !cmp.Equal(value, back) {
		t.Fatalf("%q became %q: %v\n%s", data, encoded, err, cmp.Diff(value, back))
	}
}
