package gather

import (
	"cmp"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"ticketing/pkg/store"
)

func TestEventsOfAnEntityAreForgottenTogether(t *testing.T) {
	series := func(id string, n int, more bool) (all []Event) {
		for version := range int64(n) {
			all = append(all, Event{id, version, more})
		}
		return all
	}
	for _, test := range []struct {
		name  string
		given []Event
		all   bool
		want  []store.Sent
	}{
		{"nothing", nil, true, nil},
		{"the only one, at once", series("a", 1, false), false, []store.Sent{{ID: "a", Versions: []int64{0}}}},
		{"not while more wait", series("a", 3, true), false, nil},
		{"with the last", []Event{{"a", 0, true}, {"b", 4, true}, {"a", 1, false}}, false,
			[]store.Sent{{ID: "a", Versions: []int64{0, 1}}}},
		{"notices that overtake each other", []Event{{"a", 1, false}, {"a", 0, true}}, false,
			[]store.Sent{{ID: "a", Versions: []int64{1, 0}}}},
		{"many, though more wait", series("a", 4, true), false,
			[]store.Sent{{ID: "a", Versions: []int64{0, 1, 2, 3}}}},
		{"all when they are late", []Event{{"a", 0, true}, {"b", 4, true}}, true,
			[]store.Sent{{ID: "a", Versions: []int64{0}}, {ID: "b", Versions: []int64{4}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			// given published events
			h := New(Limits{Entities: 10, Versions: 4, Urgent: 10})
			for _, p := range test.given {
				h.Add(p)
			}
			// when what is due is taken
			got := h.Take(test.all)
			// then these are forgotten now, and the others later, each once
			slices.SortFunc(got, func(a, b store.Sent) int { return cmp.Compare(a.ID, b.ID) })
			if diff := gocmp.Diff(test.want, got, equateEmpty()); diff != "" {
				t.Errorf("forgotten (-want +got):\n%s", diff)
			}
			later := 0
			for _, sent := range h.Take(true) {
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
	h := New(Limits{Entities: 10, Versions: 10, Urgent: urgent})
	for version := range int64(urgent) {
		if h.Full() {
			t.Fatalf("full with %d events", version)
		}
		h.Add(Event{"a", version, true})
	}
	if !h.Full() {
		t.Errorf("not full with %d events of an entity", urgent)
	}
	if got := h.Take(true); len(got) != 1 || len(got[0].Versions) != urgent || h.Full() {
		t.Errorf("taken: %v", got)
	}
}

func TestManyEntitiesDoNotWait(t *testing.T) {
	h := New(Limits{Entities: 2, Versions: 10, Urgent: 10})
	h.Add(Event{"a", 0, false})
	if h.Full() {
		t.Error("full with one entity")
	}
	h.Add(Event{"b", 0, false})
	if !h.Full() {
		t.Error("not full with two entities")
	}
}

// An entity must be urgent before its changes are refused, and forgotten in full by then.
func TestTheDefaultBoundsStayBelowMaxOutbox(t *testing.T) {
	if g := Default(); g.Versions > g.Urgent || g.Urgent >= store.MaxOutbox {
		t.Errorf("%d versions and %d urgent ones, of %d in an outbox", g.Versions, g.Urgent, store.MaxOutbox)
	}
}
