package storetest

import (
	"fmt"
	"testing"

	"ticketing/pkg/store"
)

// listed returns the ids of one page.
func listed(t *testing.T, c store.Collection, q store.Query) []string {
	t.Helper()
	rs, err := c.List(t.Context(), q)
	if err != nil {
		t.Fatalf("List(%+v) = %v, want a page", q, err)
	}
	return ids(rs)
}

func user(name string) map[string]string { return map[string]string{"user": name} }

func (s *suite) testList(t *testing.T) {
	s.runSteps(t, []step{
		{"an empty index selects all, in ascending order of id, whole", func(t *testing.T, c store.Collection) {
			wantEqual(t, "empty collection", []store.Record(nil), mustAll(t, c))
			mustPut(t, c, fullWrite("b"), fullWrite("c"), fullWrite("a"))
			want := []store.Record{recordOf(fullWrite("a")), recordOf(fullWrite("b")), recordOf(fullWrite("c"))}
			wantEqual(t, "records", want, mustAll(t, c))
		}},
		{"pages follow the cursor without gap or double", func(t *testing.T, c store.Collection) {
			var all []string
			for i := range 7 {
				id := fmt.Sprintf("id-%d", i)
				all = append(all, id)
				mustPut(t, c, store.Write{ID: id, Index: user("u")})
			}
			for _, index := range []string{"", "user"} {
				var seen []string
				q := store.Query{Index: index, Limit: 3}
				if index != "" {
					q.Value = "u"
				}
				for page := listed(t, c, q); len(page) > 0; page = listed(t, c, q) {
					seen = append(seen, page...)
					if len(page) > q.Limit || len(seen) > len(all) {
						t.Fatalf("page %v by index %q after %v", page, index, seen)
					}
					q.After = page[len(page)-1]
				}
				wantEqual(t, "pages by index "+index, all, seen)
			}
		}},
		{"the cursor need not be an id that exists", func(t *testing.T, c store.Collection) {
			mustPut(t, c, store.Write{ID: "a", Index: user("u")}, store.Write{ID: "c", Index: user("u")})
			for after, want := range map[string][]string{"": {"a", "c"}, "A": {"a", "c"}, "b": {"c"}, "c": nil, "d": nil} {
				wantEqual(t, "all after "+after, want, listed(t, c, store.Query{After: after, Limit: 9}))
				wantEqual(t, "user's after "+after, want, listed(t, c, store.Query{Index: "user", Value: "u", After: after, Limit: 9}))
			}
		}},
		{"index and value select the records that have it", func(t *testing.T, c store.Collection) {
			mustPut(t, c,
				store.Write{ID: "1", Index: map[string]string{"user": "ann", "status": "created"}},
				store.Write{ID: "2", Index: map[string]string{"user": "anna"}},
				store.Write{ID: "3", Index: map[string]string{"user": "ann", "status": "ann"}},
				store.Write{ID: "4"},
			)
			for _, test := range []struct {
				index, value string
				want         []string
			}{
				{"user", "ann", []string{"1", "3"}},
				{"user", "anna", []string{"2"}},
				{"user", "an", nil},
				{"user", "Ann", nil},
				{"status", "created", []string{"1"}},
				{"status", "ann", []string{"3"}},
			} {
				wantEqual(t, test.index+" "+test.value, test.want,
					listed(t, c, store.Query{Index: test.index, Value: test.value, Limit: 9}))
			}
		}},
		{"a change of the value moves the record", func(t *testing.T, c store.Collection) {
			mustPut(t, c,
				store.Write{ID: "1", Index: user("ann")},
				store.Write{ID: "1", Revision: 1, Index: user("bob")},
				store.Write{ID: "2", Index: user("ann")},
				store.Write{ID: "2", Revision: 1},
			)
			wantEqual(t, "ann's", []string(nil), listed(t, c, store.Query{Index: "user", Value: "ann", Limit: 9}))
			wantEqual(t, "bob's", []string{"1"}, listed(t, c, store.Query{Index: "user", Value: "bob", Limit: 9}))
		}},
		{"records that move between two pages neither hide nor double the others", func(t *testing.T, c store.Collection) {
			for _, id := range []string{"1", "2", "3", "4", "5"} {
				mustPut(t, c, store.Write{ID: id, Index: user("ann")})
			}
			q := store.Query{Index: "user", Value: "ann", Limit: 2}
			wantEqual(t, "first page", []string{"1", "2"}, listed(t, c, q))

			mustPut(t, c,
				store.Write{ID: "2", Revision: 1, Index: user("bob")}, // the cursor itself
				store.Write{ID: "3", Revision: 1, Index: user("bob")},
				store.Write{ID: "0", Index: user("ann")},
			)
			q.After = "2"
			wantEqual(t, "second page", []string{"4", "5"}, listed(t, c, q))
		}},
		{"an index that was not named, or a limit below 1, is refused", func(t *testing.T, c store.Collection) {
			for _, q := range []store.Query{{Index: "title", Limit: 1}, {}, {Limit: -1}} {
				if _, err := c.List(t.Context(), q); err == nil {
					t.Errorf("List(%+v) succeeded", q)
				}
			}
		}},
	})
}
