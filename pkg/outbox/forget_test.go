package outbox

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"ticketing/pkg/store"
)

func TestEventsOfAnEntityAreForgottenTogether(t *testing.T) {
	series := func(id string, n int, more bool) (all []published) {
		for version := range int64(n) {
			all = append(all, published{id, version, more})
		}
		return all
	}
	for _, test := range []struct {
		name  string
		given []published
		all   bool
		want  []store.Sent
	}{
		{"nothing", nil, true, nil},
		{"the only one, at once", series("a", 1, false), false, []store.Sent{{ID: "a", Versions: []int64{0}}}},
		{"not while more wait", series("a", 3, true), false, nil},
		{"with the last", []published{{"a", 0, true}, {"b", 4, true}, {"a", 1, false}}, false,
			[]store.Sent{{ID: "a", Versions: []int64{0, 1}}}},
		{"notices that overtake each other", []published{{"a", 1, false}, {"a", 0, true}}, false,
			[]store.Sent{{ID: "a", Versions: []int64{1, 0}}}},
		{"many, though more wait", series("a", 4, true), false,
			[]store.Sent{{ID: "a", Versions: []int64{0, 1, 2, 3}}}},
		{"all when they are late", []published{{"a", 0, true}, {"b", 4, true}}, true,
			[]store.Sent{{ID: "a", Versions: []int64{0}}, {ID: "b", Versions: []int64{4}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			// given published events
			h := newHeld(gathering{entities: 10, versions: 4, urgent: 10})
			for _, p := range test.given {
				h.add(p)
			}
			// when what is due is taken
			got := h.take(test.all)
			// then these are forgotten now, and the others later, each once
			slices.SortFunc(got, func(a, b store.Sent) int { return cmp.Compare(a.ID, b.ID) })
			if diff := gocmp.Diff(test.want, got, equateEmpty()); diff != "" {
				t.Errorf("forgotten (-want +got):\n%s", diff)
			}
			later := 0
			for _, sent := range h.take(true) {
				later += len(sent.Versions)
			}
			now := 0
			for _, sent := range got {
				now += len(sent.Versions)
			}
			if now+later != len(test.given) || h.events != 0 || len(h.versions) != 0 {
				t.Errorf("%d forgotten now, %d later, %d left; %d were published", now, later, h.events, len(test.given))
			}
		})
	}
}

// equateEmpty makes nil and empty lists equal.
func equateEmpty() gocmp.Option {
	return gocmp.FilterValues(func(a, b []store.Sent) bool { return len(a) == 0 && len(b) == 0 }, gocmp.Ignore())
}

func TestAnEntityWithManyEventsDoesNotWait(t *testing.T) {
	const urgent = 3
	h := newHeld(gathering{entities: 10, versions: 10, urgent: urgent})
	for version := range int64(urgent) {
		if h.full() {
			t.Fatalf("full with %d events", version)
		}
		h.add(published{"a", version, true})
	}
	if !h.full() {
		t.Errorf("not full with %d events of an entity", urgent)
	}
	if got := h.take(true); len(got) != 1 || len(got[0].Versions) != urgent || h.full() {
		t.Errorf("taken: %v", got)
	}
}

func TestManyEntitiesDoNotWait(t *testing.T) {
	h := newHeld(gathering{entities: 2, versions: 10, urgent: 10})
	h.add(published{"a", 0, false})
	if h.full() {
		t.Error("full with one entity")
	}
	h.add(published{"b", 0, false})
	if !h.full() {
		t.Error("not full with two entities")
	}
}

// An entity must be urgent before its changes are refused, and forgotten in full by then.
func TestTheDefaultBoundsStayBelowMaxOutbox(t *testing.T) {
	if g := defaultGathering(); g.versions > g.urgent || g.urgent >= store.MaxOutbox {
		t.Errorf("%d versions and %d urgent ones, of %d in an outbox", g.versions, g.urgent, store.MaxOutbox)
	}
}
