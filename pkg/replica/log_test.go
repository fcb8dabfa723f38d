package replica

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/event"
	"ticketing/pkg/store/storetest/memstore"
)

// A decision is logged at warn if a person may have to act: on poison, on a conflict and on an event that was given up.
func TestVerdictsAreLogged(t *testing.T) {
	type line struct{ Level, Verdict, ID, Error string }
	var log bytes.Buffer
	react := &reactions{fail: map[event.Version]error{1: errNoSeat}}
	r, err := Open(t.Context(), react.kind(), memstore.New(), small(), // parks at the third attempt
		slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	post := newMail(react.kind())
	for _, step := range []struct {
		data []byte
		want line
	}{
		{sayData("x", 0, "text 0"), line{"DEBUG", "apply", "x", ""}},
		{sayData("x", 0, "text 0"), line{"DEBUG", "stale", "x", ""}},
		{sayData("x", 3, "text 3"), line{"DEBUG", "early", "x", ""}},
		{sayData("x", 0, "other"), line{"WARN", "conflict", "x", ""}},
		{[]byte(`{}`), line{"WARN", "poison", "", "id: missing"}},
		{sayData("x", 1, "text 1"), line{"DEBUG", "failed", "x", "react to history x version 1: no such seat"}},
		{sayData("x", 1, "text 1"), line{"DEBUG", "failed", "x", "react to history x version 1: no such seat"}},
		{sayData("x", 1, "text 1"), line{"WARN", "failed", "x", ""}}, // it is parked now
	} {
		log.Reset()
		handle(t, r, post.deliver(step.data))
		var got line
		if err := json.Unmarshal(log.Bytes(), &got); err != nil {
			t.Fatalf("%v in %s", err, log.String())
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s is logged (-want +got):\n%s", step.data, diff)
		}
	}
}
