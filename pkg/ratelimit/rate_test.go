package ratelimit_test

import (
	"strings"
	"testing"
	"time"

	"ticketing/pkg/ratelimit"
)

func TestRateReads(t *testing.T) {
	for text, want := range map[string]ratelimit.Rate{
		"":           {},
		"off":        {Off: true},
		"300/1m":     {Tries: 300, Per: time.Minute},
		"1/24h":      {Tries: 1, Per: 24 * time.Hour},
		"1000000/1s": {Tries: 1_000_000, Per: time.Second},
		"5/1m30s":    {Tries: 5, Per: 90 * time.Second},
	} {
		var got ratelimit.Rate
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q = %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestRateRefuses(t *testing.T) {
	for _, text := range []string{
		"300", "/", "300/", "/1m", "0/1m", "-1/1m", "1000001/1m", "1/0s", "1/999ms", "1/25h", "1/-1m", "1/m", "OFF", "1.5/1m",
		"300/1m/1m", " 300/1m", "99999999999999999999/1m",
	} {
		var got ratelimit.Rate
		err := got.UnmarshalText([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "300/1m") || got != (ratelimit.Rate{}) {
			t.Errorf("%q = %+v, %v, want an error that shows the form", text, got, err)
		}
	}
}

// FuzzRate: what is read is within the bounds, can be used, and is read the same again.
func FuzzRate(f *testing.F) {
	for _, text := range []string{"", "off", "300/1m", "1/24h", "1000000/1s", "0/1m", "1/1ns", "x"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var r ratelimit.Rate
		if r.UnmarshalText([]byte(text)) != nil || r == (ratelimit.Rate{}) {
			return
		}
		var again ratelimit.Rate
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Fatalf("%q is %+v, which is read as %+v, %v", text, r, again, err)
		}
		limiter, err := ratelimit.New(r, 1, func() time.Time { return time.Unix(1, 0) })
		if err != nil {
			t.Fatal(err)
		}
		for range min(r.Tries, 1000) {
			if wait, ok := limiter.Allow("ann"); !ok {
				t.Fatalf("%q: waits %v within its tries", text, wait)
			}
		}
	})
}
