package ratelimit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of a Rate. Within them a single try fills up again after a nanosecond to a day.
const (
	maxTries = 1_000_000
	minPer   = time.Second
	maxPer   = 24 * time.Hour
)

// Rate is how often something may be tried. The zero Rate is none: whoever takes a Rate says what it stands for.
type Rate struct {
	// Tries may be made at once, and as many again while Per goes by, evenly.
	Tries int
	Per   time.Duration
	// Off: there is no limit.
	Off bool
}

// String is the Rate as UnmarshalText reads it; empty for the zero Rate.
func (r Rate) String() string {
	switch r {
	case Rate{}:
		return ""
	case Rate{Off: true}:
		return off
	}
	return fmt.Sprintf("%d/%s", r.Tries, r.Per)
}

const off = "off"

// UnmarshalText reads "300/1m", three hundred tries a minute, or "off". Tries are 1 to 1,000,000 and the time,
// as time.ParseDuration reads it, is a second to a day. Nothing is the zero Rate.
func (r *Rate) UnmarshalText(text []byte) error {
	given := string(text)
	switch given {
	case "":
		*r = Rate{}
		return nil
	case off:
		*r = Rate{Off: true}
		return nil
	}
	digits, duration, _ := strings.Cut(given, "/")
	tries, err := strconv.Atoi(digits)
	per, perErr := time.ParseDuration(duration)
	if err != nil || perErr != nil || tries < 1 || tries > maxTries || per < minPer || per > maxPer {
		return fmt.Errorf(`%q is neither of the form "300/1m" (1 to %d tries in 1s to 24h) nor "off"`, given, maxTries)
	}
	*r = Rate{Tries: tries, Per: per}
	return nil
}
