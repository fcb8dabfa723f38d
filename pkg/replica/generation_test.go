package replica

import (
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/bus/stan/stantest"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt/bolttest"
)

// holding returns the generations up to the last that have records.
func holding(t testing.TB, r *Replica[history], last int) []int {
	t.Helper()
	var numbers []int
	for number := 1; number <= last; number++ {
		generation, err := r.open(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		records, err := generation.records.List(t.Context(), store.Query{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		if len(records) > 0 {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

func TestARebuildRemovesTheGenerationsThatWereLeft(t *testing.T) {
	server := stantest.Start(t)
	publisher := stantest.Connect(t, server, "source")
	var later atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	r, err := Open(t.Context(), historyKind(), bolttest.Open(t), Config{Now: now}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := runConsumer(t, r, stantest.Connect(t, server, "one"))
	publishAll(t, publisher, sayData("x", 0, "a"))
	eventually(t, "x is applied", standsAt(r, "x", 0))
	for _, step := range []struct {
		given string
		pass  time.Duration
		want  []int
	}{
		{"a first generation that was the present one for long", leaveTime, []int{1, 2}},
		{"a second one that a member may not have noticed yet", 0, []int{1, 2, 3}},
		{"a third one that all have noticed", leaveTime, []int{3, 4}},
	} {
		// when it is rebuilt
		later.Add(int64(step.pass))
		if err := c.StartRebuild(false); err != nil {
			t.Fatal(err)
		}
		result := awaitRebuild(t, c)
		if last := slices.Max(step.want); result.Error != "" || result.Generation != last {
			t.Fatalf("given %s: the rebuild ended with %+v, want generation %d", step.given, result, last)
		}
		// then what no member reads is gone, and what is read is whole
		if diff := cmp.Diff(step.want, holding(t, r, result.Generation)); diff != "" {
			t.Errorf("given %s: generations with records (-want +got):\n%s", step.given, diff)
		}
		if got, version := mustRead(t, r, "x"); version != 0 || got.Text != "a" {
			t.Errorf("given %s: x stands at %d and says %q", step.given, version, got.Text)
		}
	}
}

// A member that has hung until its generation was removed takes events as any other, and none is lost.
func TestAMemberWhoseGenerationWasRemoved(t *testing.T) {
	server := stantest.Start(t)
	publisher := stantest.Connect(t, server, "source")
	db := bolttest.Open(t)
	hung := openHistories(t, historyKind(), db)
	// given that all went over to the second generation meanwhile
	if err := hung.writeMark(t.Context(), mark{Generation: 2, Replayed: true}, 0); err != nil {
		t.Fatal(err)
	}
	if err := db.Drop(t.Context(), hung.generationName(1)); err != nil {
		t.Fatal(err)
	}
	// when it goes on
	runConsumer(t, hung, stantest.Connect(t, server, "hung"))
	publishAll(t, publisher, sayData("x", 0, "a"))
	awaitLag(t, publisher, 0)
	// then its event is in the second
	present := openHistories(t, historyKind(), db)
	if got, version := mustRead(t, present, "x"); version != 0 || got.Text != "a" {
		t.Errorf("x stands at %d and says %q", version, got.Text)
	}
}
