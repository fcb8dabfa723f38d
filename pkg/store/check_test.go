package store_test

import (
	"testing"

	"ticketing/pkg/store"
)

func TestSpecCheck(t *testing.T) {
	for _, test := range []struct {
		name string
		spec store.Spec
		ok   bool
	}{
		{"name alone", store.Spec{Name: "tickets"}, true},
		{"name with digits and dash, indexes", store.Spec{Name: "tickets-2", Indexes: []string{"userId", "state"}}, true},
		{"no name", store.Spec{}, false},
		{"upper case", store.Spec{Name: "Tickets"}, false},
		{"dot", store.Spec{Name: "a.b"}, false},
		{"other letters", store.Spec{Name: "zürich"}, false},
		{"index without a name", store.Spec{Name: "tickets", Indexes: []string{""}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := test.spec.Check(); (err == nil) != test.ok {
				t.Errorf("Check(%+v) = %v, want success %t", test.spec, err, test.ok)
			}
		})
	}
}

func TestSpecCheckWrite(t *testing.T) {
	spec := store.Spec{Name: "tickets", Indexes: []string{"user"}}
	for _, test := range []struct {
		name  string
		write store.Write
		ok    bool
	}{
		{"id alone", store.Write{ID: "a"}, true},
		{"known index", store.Write{ID: "a", Revision: 3, Index: map[string]string{"user": ""}}, true},
		{"no id", store.Write{}, false},
		{"negative revision", store.Write{ID: "a", Revision: -1}, false},
		{"unknown index", store.Write{ID: "a", Index: map[string]string{"title": "x"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := spec.CheckWrite(test.write); (err == nil) != test.ok {
				t.Errorf("CheckWrite(%+v) = %v, want success %t", test.write, err, test.ok)
			}
		})
	}
}

func TestSpecCheckQuery(t *testing.T) {
	spec := store.Spec{Name: "tickets", Indexes: []string{"user"}}
	for _, test := range []struct {
		name  string
		query store.Query
		ok    bool
	}{
		{"all", store.Query{Limit: 1}, true},
		{"known index", store.Query{Index: "user", Limit: 50}, true},
		{"unknown index", store.Query{Index: "title", Limit: 1}, false},
		{"no limit", store.Query{Index: "user"}, false},
		{"negative limit", store.Query{Limit: -1}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := spec.CheckQuery(test.query); (err == nil) != test.ok {
				t.Errorf("CheckQuery(%+v) = %v, want success %t", test.query, err, test.ok)
			}
		})
	}
}
