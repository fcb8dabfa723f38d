package event_test

import (
	"encoding/json"
	"testing"
	"time"

	"ticketing/pkg/event"
)

func TestTheFirstVersionFollowsNone(t *testing.T) {
	if got := event.None.Next(); got != 0 {
		t.Errorf("the version after None is %d, want 0", got)
	}
	if got := event.Version(0).Next(); got != 1 {
		t.Errorf("the version after 0 is %d, want 1", got)
	}
}

func TestTimesOfFourDigitYears(t *testing.T) {
	for year, want := range map[int]string{
		-1:    "",
		0:     `"0000-06-07T08:09:10.000Z"`,
		9999:  `"9999-06-07T08:09:10.000Z"`,
		10000: "",
	} {
		at := event.At(time.Date(year, 6, 7, 8, 9, 10, 0, time.UTC))
		data, err := json.Marshal(at)
		if string(data) != want || (err == nil) != (want != "") {
			t.Errorf("year %d was written as %s, %v; want %s", year, data, err, want)
		}
		if want == "" {
			continue
		}
		var back event.Time
		if err := json.Unmarshal(data, &back); err != nil || !back.Equal(at.Time) {
			t.Errorf("%s was read as %v, %v", data, back, err)
		}
	}
}
