package outbox_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

// A broker or a store that is away is a warning once for each row of failures, and the end of the row is logged.
func TestFailuresInARowAreOneWarning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// given a broker that fails at the first four attempts, and a store at the first three sweeps and the fifth
		records := &scriptedStore{Collection: bolttest.Collection(t, store.Spec{Name: "counters"})}
		records.pending = func(call int) error {
			if call < 3 || call == 4 {
				return store.ErrUnavailable
			}
			return nil
		}
		publisher := &scriptedPublisher{outcome: func(n int) outcome {
			if n < 4 {
				return refused
			}
			return stored
		}}
		var log bytes.Buffer
		relay := outbox.NewRelay(records, publisher, outbox.Config{SweepEvery: time.Minute}, slog.New(slog.NewJSONHandler(&log, nil)))
		stop := start(t, relay)
		began := time.Now()
		if _, err := newCounters(records, relay).Create(t.Context(), "a", counter{}); err != nil {
			t.Fatal(err)
		}
		// when they come back
		publisher.until(t, func(_ []string, calls int) bool { return calls == 3 })
		synctest.Wait()
		if status := relay.Status(); status.Failures != 3 || !status.Failing.Equal(began) {
			t.Errorf("status is %+v, want three failures since %v", status, began)
		}
		time.Sleep(5 * time.Minute)
		if _, err := newCounters(records, relay).Create(t.Context(), "b", counter{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		stop()
		// then a person sees this.
		counts := map[string]int{}
		for lines := json.NewDecoder(&log); lines.More(); {
			var line struct{ Level, Msg string }
			if err := lines.Decode(&line); err != nil {
				t.Fatal(err)
			}
			counts[line.Level+" "+line.Msg]++
		}
		want := map[string]int{
			"WARN not published; the event stays in the outbox": 1,
			"INFO publishing again":                             1,
			"WARN outbox cannot be swept":                       2,
		}
		if diff := cmp.Diff(want, counts); diff != "" {
			t.Errorf("logged (-want +got):\n%s", diff)
		}
	})
}
