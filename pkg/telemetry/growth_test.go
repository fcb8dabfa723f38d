package telemetry

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func TestGrowthBetweenTwoLooks(t *testing.T) {
	const mib, gib = 1 << 20, 1 << 30
	for _, tt := range []struct {
		name          string
		span          time.Duration
		before, after Bytes
		volume        Bytes
		perDay        float64
		perDayKnown   bool
		days          float64
		daysKnown     bool
	}{
		{"half a day", 12 * time.Hour, 100 * mib, 150 * mib, 250 * mib, 100 * mib, true, 1, true},
		{"four days from nothing", 96 * time.Hour, 0, gib, 2 * gib, 256 * mib, true, 4, true},
		{"no volume is told", 24 * time.Hour, 0, gib, 0, gib, true, 0, false},
		{"just long enough", 10 * time.Minute, 0, mib, 145 * mib, 144 * mib, true, 1, true},
		{"too short", 10*time.Minute - 1, 0, mib, gib, 0, false, 0, false},
		{"one look", 0, mib, mib, gib, 0, false, 0, false},
		{"a clock that went back", -time.Hour, 0, mib, gib, 0, false, 0, false},
		{"nothing new", 24 * time.Hour, mib, mib, gib, 0, true, 0, false},
		{"limits, or a fresh broker", 24 * time.Hour, 3 * mib, mib, gib, -2 * mib, true, 0, false},
		{"full", 24 * time.Hour, mib, 2 * mib, 2 * mib, mib, true, 0, true},
		{"full at the first look", 0, 3 * mib, 3 * mib, 2 * mib, 0, false, 0, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := Growth{LogSize{noon, tt.before}, LogSize{noon.Add(tt.span), tt.after}}
			if got, known := g.PerDay(); got != tt.perDay || known != tt.perDayKnown {
				t.Errorf("PerDay() = %v, %v, want %v, %v", got, known, tt.perDay, tt.perDayKnown)
			}
			if got, known := g.DaysLeft(tt.volume); got != tt.days || known != tt.daysKnown {
				t.Errorf("DaysLeft() = %v, %v, want %v, %v", got, known, tt.days, tt.daysKnown)
			}
		})
	}
}

func TestSizesAreThoseOfTheLastDay(t *testing.T) {
	// given a log that grows by a byte a minute, looked at each minute of three days
	var seen sizes
	for minute := range 3 * 24 * 60 {
		now := LogSize{noon.Add(time.Duration(minute) * time.Minute), Bytes(minute)}
		seen = seen.with(now)
		// then it is compared with what it was a day ago, or with the first look
		age := now.At.Sub(seen[0].At)
		if whole := minute >= 24*60; age > window+spacing || (whole && age < window) || (!whole && seen[0].Bytes != 0) {
			t.Fatalf("minute %d is compared with %v ago", minute, age)
		}
		if len(seen) > int(window/spacing)+2 {
			t.Fatalf("%d sizes are kept", len(seen))
		}
	}
	if perDay, known := (Growth{seen[0], LogSize{noon.Add(72 * time.Hour), 72 * 60}}).PerDay(); perDay != 24*60 || !known {
		t.Errorf("it grows by %v, %v", perDay, known)
	}
}

func TestSizesOfAServiceThatIsSeldomAsked(t *testing.T) {
	// given looks that are days apart
	var seen sizes
	for day := range 4 {
		seen = seen.with(LogSize{noon.AddDate(0, 0, 2*day), Bytes(day)})
	}
	// then the one before last is what is compared with
	if len(seen) != 2 || seen[0].Bytes != 2 {
		t.Errorf("%v are kept", seen)
	}
}

func TestSizesWhileTheClockIsSet(t *testing.T) {
	for _, tt := range []struct {
		name   string
		jump   time.Duration
		after  time.Duration // since the jump
		age    time.Duration // of what is compared with then
		perDay float64       // bytes: a byte a minute is true
		known  bool
	}{
		{"forwards, at once: little in a long time", 24 * time.Hour, 0, 24 * time.Hour, 10, true},
		{"forwards, a day later", 24 * time.Hour, 25 * time.Hour, 24 * time.Hour, 24 * 60, true},
		{"back by less than has been seen, at once", -time.Hour, 0, time.Hour, 120 * 24, true},
		{"back by less than has been seen, a day later", -time.Hour, 25 * time.Hour, 24 * time.Hour, 24 * 60, true},
		{"back by all that has been seen, at once", -365 * 24 * time.Hour, 0, 0, 0, false},
		{"back by all that has been seen, soon", -365 * 24 * time.Hour, 10 * time.Minute, 10 * time.Minute, 24 * 60, true},
		{"back by all that has been seen, a day later", -365 * 24 * time.Hour, 25 * time.Hour, 24 * time.Hour, 24 * 60, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// given a log that grows by a byte a minute and was looked at for two hours
			var seen sizes
			var now LogSize
			look := func() {
				now.At, now.Bytes = now.At.Add(time.Minute), now.Bytes+1
				seen = seen.with(now)
			}
			now.At = noon
			for range 2 * 60 {
				look()
			}
			// when the clock is set, and it is looked at since
			now.At = now.At.Add(tt.jump - time.Minute)
			for range 1 + tt.after/time.Minute {
				look()
			}
			// then nothing of the future is compared with
			if age := now.At.Sub(seen[0].At); age < tt.age-time.Minute || age > tt.age+spacing {
				t.Errorf("it is compared with %v ago, want %v", age, tt.age)
			}
			perDay, known := Growth{seen[0], now}.PerDay()
			if known != tt.known || perDay < 0.95*tt.perDay || perDay > 1.05*tt.perDay {
				t.Errorf("it grows by %v a day, %v; want %v, %v", perDay, known, tt.perDay, tt.known)
			}
		})
	}
}
