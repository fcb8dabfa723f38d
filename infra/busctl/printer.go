package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"ticketing/pkg/bus"
	"ticketing/pkg/event"
)

// header names the columns of textLine.
const header = "sequence  attempt      age  subject              payload"

// printer writes one line per event. It may be called concurrently, as channels are heard side by side.
type printer struct {
	out  io.Writer
	json bool

	mu    sync.Mutex
	count int
}

// print writes the line of m, or returns the writer's error.
func (p *printer) print(m bus.Message) error {
	age := max(0, time.Since(m.Time)) // the broker's clock may be ahead of ours
	line := textLine(m, age)
	if p.json {
		var err error
		if line, err = jsonLine(m, age); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := io.WriteString(p.out, line+"\n"); err != nil {
		return err
	}
	p.count++
	return nil
}

// printed is how many lines were printed.
func (p *printer) printed() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

func textLine(m bus.Message, age time.Duration) string {
	return fmt.Sprintf("%8d  %7d  %7s  %-19s  %s", m.Sequence, m.Attempt, ageText(age), m.Channel, payloadText(m.Data))
}

// payloadText is the payload as it is, or quoted where it would break the line or play with the terminal.
func payloadText(data []byte) string {
	text := string(data)
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if !utf8.ValidString(text) || strings.ContainsFunc(text, unprintable) {
		return strconv.Quote(text)
	}
	return text
}

// ageText is short enough for its column up to a thousand days: "87ms", "3.2s", "4m10s", "3h12m", "12d4h".
func ageText(age time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case age < time.Second:
		return fmt.Sprintf("%dms", age.Milliseconds())
	case age < time.Minute:
		return fmt.Sprintf("%.1fs", age.Truncate(100*time.Millisecond).Seconds())
	case age < time.Hour:
		return fmt.Sprintf("%dm%ds", age/time.Minute, age%time.Minute/time.Second)
	case age < day:
		return fmt.Sprintf("%dh%dm", age/time.Hour, age%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%dd%dh", age/day, age%day/time.Hour)
	}
}

// eventJSON is a line of `listen --json`. Exactly one of Payload and Raw is there, unless the event is empty.
type eventJSON struct {
	Sequence uint64     `json:"sequence"`
	Attempt  int        `json:"attempt"`
	AgeMs    int64      `json:"ageMs"`
	Time     event.Time `json:"time"`
	Subject  string     `json:"subject"`
	// Payload is the event where it is JSON, without blanks between its tokens.
	Payload json.RawMessage `json:"payload,omitempty"`
	// Raw is the event where it is not JSON, in base64.
	Raw []byte `json:"raw,omitempty"`
}

func jsonLine(m bus.Message, age time.Duration) (string, error) {
	line := eventJSON{
		Sequence: m.Sequence, Attempt: m.Attempt, AgeMs: age.Milliseconds(), Time: event.At(m.Time), Subject: m.Channel,
	}
	if json.Valid(m.Data) && utf8.Valid(m.Data) {
		line.Payload = m.Data
	} else {
		line.Raw = m.Data
	}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(line); err != nil {
		return "", fmt.Errorf("write event %d as JSON: %w", m.Sequence, err)
	}
	return strings.TrimSuffix(text.String(), "\n"), nil
}
