package event_test

import (
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ticketing/pkg/event"
)

func TestParsePrice(t *testing.T) {
	tests := []struct {
		number string
		want   event.Price
		reason string
	}{
		{"20", 2000, ""},
		{"0.01", 1, ""},
		{"10.5", 1050, ""},
		{"10.050", 1005, ""},
		{"10.0500000000000000000000", 1005, ""},
		{"1e2", 10000, ""},
		{"1.005e3", 100500, ""},
		{"5E-2", 5, ""},
		{"99999999.99", event.MaxPrice, ""},
		{"100000000", 0, "at most"},
		{"1e400", 0, "at most"},
		{"1e99999999999999999999", 0, "at most"},
		{"0e1001", 0, "at most"},
		{"0e1000", 0, "greater than 0"},
		{"0", 0, "greater than 0"},
		{"0.00", 0, "greater than 0"},
		{"0e5", 0, "greater than 0"},
		{"-1", 0, "greater than 0"},
		{"-0", 0, "greater than 0"},
		{"10.005", 0, "two decimals"},
		{"0.001", 0, "two decimals"},
		{"1e-3", 0, "two decimals"},
		{"1e-1000", 0, "two decimals"},
		{"", 0, "a number"},
		{"NaN", 0, "a number"},
		{`"20"`, 0, "a number"},
		{"null", 0, "a number"},
		{"010", 0, "a number"},
		{".5", 0, "a number"},
		{"5.", 0, "a number"},
		{"1,5", 0, "a number"},
		{"1e", 0, "a number"},
		{"20 ", 0, "a number"},
	}
	for _, tt := range tests {
		got, err := event.ParsePrice(tt.number)
		switch {
		case tt.reason == "" && (err != nil || got != tt.want):
			t.Errorf("ParsePrice(%q) = %d, %v; want %d", tt.number, got, err, tt.want)
		case tt.reason != "" && (err == nil || !strings.Contains(err.Error(), tt.reason)):
			t.Errorf("ParsePrice(%q) = %d, %v; want an error with %q", tt.number, got, err, tt.reason)
		}
	}
}

func TestPriceSurvivesTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		price := event.Price(rapid.Int64Range(1, int64(event.MaxPrice)).Draw(t, "cents"))
		data, err := json.Marshal(price)
		if err != nil {
			t.Fatal(err)
		}
		var back event.Price
		if err := json.Unmarshal(data, &back); err != nil || back != price {
			t.Fatalf("%d cents went out as %s and came back as %d, %v", price, data, back, err)
		}
	})
}

// FuzzParsePrice holds ParsePrice against exact rational arithmetic.
func FuzzParsePrice(f *testing.F) {
	for _, seed := range []string{"20", "10.05", "1e2", "1.5e-1", "0.001", "99999999.99", "-1", "1e400", "00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, number string) {
		got, err := event.ParsePrice(number)
		if err != nil {
			return
		}
		if !json.Valid([]byte(number)) {
			t.Fatalf("%q is no JSON number and was read as %d", number, got)
		}
		exact, ok := new(big.Rat).SetString(number)
		if !ok || exact.Cmp(big.NewRat(int64(got), 100)) != 0 {
			t.Fatalf("%q was read as %d cents", number, got)
		}
		if got < 1 || got > event.MaxPrice {
			t.Fatalf("%q was read as %d, out of range", number, got)
		}
	})
}
