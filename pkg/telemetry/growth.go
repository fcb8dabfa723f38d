package telemetry

import (
	"time"

	"ticketing/pkg/bus"
)

// leastSpan is the shortest time from which a day's growth is computed: a minute's traffic says nothing about a day.
const leastSpan = 10 * time.Minute

// LogSize is the size of the broker's log, all channels together, at one moment. It is the size of the broker's files,
// with their indexes.
type LogSize struct {
	At    time.Time
	Bytes Bytes
}

// SizeOf adds up the channels.
func SizeOf(channels []bus.Channel, at time.Time) LogSize {
	size := LogSize{At: at}
	for _, c := range channels {
		size.Bytes += Bytes(c.Bytes)
	}
	return size
}

// Growth is how the log changed between two looks at it.
type Growth struct{ From, To LogSize }

// PerDay is the mean growth in bytes a day, negative if the broker's limits removed more than was added. It is unknown
// if the looks are less than ten minutes apart.
func (g Growth) PerDay() (bytes float64, known bool) {
	span := g.To.At.Sub(g.From.At)
	if span < leastSpan {
		return 0, false
	}
	return (float64(g.To.Bytes) - float64(g.From.Bytes)) * float64(24*time.Hour) / float64(span), true
}

// DaysLeft is how many days of this growth the volume has room for, 0 if it is full. It is unknown if the volume's size
// (0) or the growth is unknown, or if the log does not grow.
func (g Growth) DaysLeft(volume Bytes) (days float64, known bool) {
	perDay, known := g.PerDay()
	switch {
	case volume == 0:
		return 0, false
	case g.To.Bytes >= volume:
		return 0, true
	case !known || perDay <= 0:
		return 0, false
	}
	return float64(volume-g.To.Bytes) / perDay, true
}

const (
	// window is a day, because traffic differs between night and day.
	window = 24 * time.Hour
	// spacing bounds how many sizes of a window are kept: 144, and the two at its ends.
	spacing = 10 * time.Minute
)

// sizes are the sizes seen over the last day, oldest first. The first is the newest that is at least a day old, if any.
type sizes []LogSize

// with adds the size seen now, unless the last one is younger than spacing, and drops the sizes that the window no
// longer needs. It also drops sizes later than now, which were seen before the clock was set back: their age is
// unknown, and with them the log would not seem to grow until the clock has caught up.
func (s sizes) with(now LogSize) sizes {
	for len(s) > 0 && s[len(s)-1].At.After(now.At) {
		s = s[:len(s)-1]
	}
	if len(s) == 0 || now.At.Sub(s[len(s)-1].At) >= spacing {
		s = append(s, now)
	}
	for len(s) > 1 && now.At.Sub(s[1].At) >= window {
		s = s[1:]
	}
	return s
}
