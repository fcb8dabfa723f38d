package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus"
)

func TestTextLine(t *testing.T) {
	t.Parallel()
	message := func(data string) bus.Message {
		return bus.Message{Channel: "ticket:created", Sequence: 7, Attempt: 2, Data: []byte(data)}
	}
	tests := []struct {
		name string
		data string
		want string
	}{
		{"JSON", `{"title":"Größe 7"}`, `       7        2     3.2s  ticket:created       {"title":"Größe 7"}`},
		{"several lines", "{\n}", `       7        2     3.2s  ticket:created       "{\n}"`},
		{"terminal escapes", "\x1b[2J", `       7        2     3.2s  ticket:created       "\x1b[2J"`},
		{"not UTF-8", "\xff", `       7        2     3.2s  ticket:created       "\xff"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, textLine(message(test.data), 3290*time.Millisecond)); diff != "" {
				t.Errorf("line (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAgeText(t *testing.T) {
	t.Parallel()
	tests := map[time.Duration]string{
		0:                              "0ms",
		999 * time.Millisecond:         "999ms",
		time.Second:                    "1.0s",
		59990 * time.Millisecond:       "59.9s",
		250 * time.Second:              "4m10s",
		3*time.Hour + 12*time.Minute:   "3h12m",
		12*24*time.Hour + 4*time.Hour:  "12d4h",
		365*24*time.Hour + time.Second: "365d0h",
	}
	for age, want := range tests {
		if got := ageText(age); got != want {
			t.Errorf("%v: got %q, want %q", age, got, want)
		}
	}
}
