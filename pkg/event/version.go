package event

import (
	"errors"
	"fmt"
	"time"
)

// Version counts the changes of one entity: 0 when it is created, +1 with each change, and each change
// publishes exactly one event that carries it.
type Version int64

const (
	// None is the version of an entity of which nothing has been seen, so that the first event to
	// apply, version 0, is always the next one.
	None Version = -1
	// MaxVersion is the highest version of the contract, JavaScript's Number.MAX_SAFE_INTEGER.
	MaxVersion Version = 1<<53 - 1
)

// Next is the version that follows v.
func (v Version) Next() Version { return v + 1 }

// Time is a moment as JavaScript's toISOString writes it: UTC, milliseconds, Z.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// At returns t as it will be read back: UTC, cut to the millisecond.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// String returns the 24 characters of toISOString. Within the years 0 to 9999 later times are greater strings.
func (t Time) String() string { return t.UTC().Format(timeLayout) }

// MarshalJSON writes the 24 characters of toISOString. A year outside 0 to 9999 is an error.
func (t Time) MarshalJSON() ([]byte, error) {
	if y := t.UTC().Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("year %d is outside 0 to 9999", y)
	}
	return []byte(`"` + t.String() + `"`), nil
}

// UnmarshalJSON accepts exactly what MarshalJSON writes.
func (t *Time) UnmarshalJSON(data []byte) error {
	wrong := errors.New("must be a time such as \"2026-01-02T03:04:05.678Z\"")
	if len(data) != len(timeLayout)+2 || data[0] != '"' || data[len(data)-1] != '"' {
		return wrong
	}
	parsed, err := time.Parse(timeLayout, string(data[1:len(data)-1]))
	if err != nil {
		return wrong
	}
	*t = Time{parsed}
	return nil
}
