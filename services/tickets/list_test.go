package tickets_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ticketing/pkg/event"
	"ticketing/pkg/service/servicetest"
	"ticketing/pkg/store"
	"ticketing/pkg/store/storetest/memstore"
)

// titles are those that a page of the list has.
func (s *stall) titles(t *testing.T, session, query string) (titles []string, link string) {
	t.Helper()
	answer := s.call(t, servicetest.Request{Line: "GET /api/tickets" + query, Session: session}, 200)
	for _, found := range servicetest.Decode[[]ticket](t, answer) {
		titles = append(titles, found.Title+" "+found.Status)
	}
	return titles, answer.Header.Get("Link")
}

// inAnyOrder compares lists of tickets that were offered at one moment of the stopped clock.
var inAnyOrder = cmpopts.SortSlices(strings.Compare)

func TestWhatIsListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := openStall(t, memstore.New())
		offer := func(seller event.ID, title string, then ...event.Subject) {
			body := fmt.Sprintf(`{"title":%q,"price":20}`, title)
			id := servicetest.Decode[ticket](t, s.call(t, post(servicetest.SignIn(t, seller), body), 201)).ID
			order := newHistory(1, event.SubjectOrderCreated)[0].order
			for _, subject := range then {
				s.publish(t, id, deed{order, subject})
			}
			synctest.Wait()
		}
		offer(ann, "Opera in Ĺinz")
		offer(bob, "rock", event.SubjectOrderCreated)
		offer(ann, "ROCK & <roll>", event.SubjectOrderCreated, event.SubjectOrderCancelled)
		offer(ann, "opera", event.SubjectOrderCreated, event.SubjectOrderCompleted)
		offer(ann, "ballet", event.SubjectOrderCreated)

		mine := servicetest.SignIn(t, ann)
		for _, tt := range []struct {
			name, session, query string
			want                 []string
		}{
			{"what can be bought", "", "", []string{"Opera in Ĺinz free", "ROCK & <roll> free"}},
			{"free ones, said in full", "", "?status=free", []string{"Opera in Ĺinz free", "ROCK & <roll> free"}},
			{"a part of the title", "", "?title=rock", []string{"ROCK & <roll> free"}},
			{"in any case", "", "?title=" + url.QueryEscape(" in ĺINZ "), []string{"Opera in Ĺinz free"}},
			{"with signs", "", "?title=" + url.QueryEscape("<ROLL>"), []string{"ROCK & <roll> free"}},
			{"no such title", "", "?title=jazz", nil},
			{"an empty search", "", "?title=", []string{"Opera in Ĺinz free", "ROCK & <roll> free"}},
			{"all", "", "?status=all", []string{
				"Opera in Ĺinz free", "rock reserved", "ROCK & <roll> free", "opera sold", "ballet reserved"}},
			{"all by title", "", "?status=all&title=opera", []string{"Opera in Ĺinz free", "opera sold"}},
			{"ann's", mine, "?seller=me", []string{"Opera in Ĺinz free", "ROCK & <roll> free", "opera sold", "ballet reserved"}},
			{"ann's by title", mine, "?seller=me&title=ba", []string{"ballet reserved"}},
			{"bob's", servicetest.SignIn(t, bob), "?seller=me", []string{"rock reserved"}},
		} {
			got, link := s.titles(t, tt.session, tt.query)
			if diff := cmp.Diff(tt.want, got, inAnyOrder); diff != "" || link != "" {
				t.Errorf("%s: link %q, listed (-want +got):\n%s", tt.name, link, diff)
			}
		}
		for query, field := range map[string]string{
			"?status=sold": "status", "?status=": "status", "?seller=" + string(bob): "seller", "?seller=": "seller",
			"?seller=me&status=all": "status",
		} {
			servicetest.Call(t, s.service.Handler(), servicetest.Request{Line: "GET /api/tickets" + query, Session: mine}).CheckProblem(t, 400, field)
		}
		servicetest.Call(t, s.service.Handler(), get("/api/tickets?seller=me")).CheckProblem(t, 401, "")
	})
}

// A search goes through many tickets without a match, and gives up in time for the client to go on.
func TestASearchGivesUpAndGoesOn(t *testing.T) {
	const count = 5_010 // ten more than one answer looks at
	synctest.Test(t, func(t *testing.T) {
		s := openStall(t, memstore.New())
		for i := range count {
			s.call(t, post(s.session, draftOf(i)), 201)
		}
		s.SetNow(s.Now().Add(time.Hour)) // the last in the order of ids
		s.call(t, post(s.session, concert), 201)
		got, link := s.titles(t, "", "?title=concert&limit=1")
		if len(got) != 0 || !strings.Contains(link, "title=concert") {
			t.Fatalf("found %q, link %q", got, link)
		}
		next := strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		got, link = s.titles(t, "", next)
		if len(got) != 1 || link != "" {
			t.Errorf("then found %q, link %q", got, link)
		}
	})
}

// Tickets that an earlier release has stored, without an index, are listed after an upgrade.
func TestTicketsOfAnEarlierReleaseAreListed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New()
		records, err := db.Collection(t.Context(), store.Spec{Name: "tickets"})
		if err != nil {
			t.Fatal(err)
		}
		state := fmt.Appendf(nil, `{"title":"old","price":20,"userId":%q}`, ann)
		if err := records.Put(t.Context(), store.Write{ID: string(unknown), State: state}); err != nil {
			t.Fatal(err)
		}
		s := openStall(t, db)
		synctest.Wait()
		if got, _ := s.titles(t, "", ""); !slices.Equal(got, []string{"old free"}) {
			t.Errorf("listed %q", got)
		}
		if got, _ := s.titles(t, s.session, "?seller=me"); !slices.Equal(got, []string{"old free"}) {
			t.Errorf("ann's are %q", got)
		}
	})
}
