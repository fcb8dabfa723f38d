package tickets

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/identity"
	"ticketing/pkg/outbox"
	"ticketing/pkg/store"
)

// A search reads at most searchPages times searchPage tickets for one answer. If it has found less than a page by then,
// the answer is short, or empty, and its Link leads on.
const (
	searchPage  = 200
	searchPages = 25
)

// list answers with tickets in the order of their creation: those that can be bought, unless the request asks for
// ?status=all or for the user's own by ?seller=me. ?title= selects by a part of the title, in any case of letters.
func (s *api) list(w http.ResponseWriter, r *http.Request) error {
	page, err := httpapi.ParsePage(r)
	if err != nil {
		return err
	}
	search, err := parseSearch(r)
	if err != nil {
		return err
	}
	found, resume, err := s.find(r.Context(), search, page)
	if err != nil {
		return err
	}
	views := make([]view, len(found))
	for i, ticket := range found {
		views[i] = viewOf(ticket)
	}
	if resume != "" {
		httpapi.LinkNext(w, r, string(resume))
	}
	return httpapi.WriteList(w, r, page, views, func(v view) string { return string(v.ID) })
}

// search is which tickets a request asks for.
type search struct {
	// index and value select by an index; an empty index selects all.
	index, value string
	// title is a part of the title in lower case; empty selects all.
	title string
}

func parseSearch(r *http.Request) (search, error) {
	query := r.URL.Query()
	sought := search{index: statusIndex, value: string(Free), title: strings.ToLower(strings.TrimSpace(query.Get("title")))}
	status, seller := query.Get("status"), query.Get("seller")
	switch {
	case invalid(query, "status", "all", string(Free)):
		return sought, fault.InvalidField("status", `must be "free" or "all"`)
	case invalid(query, "seller", "me"):
		return sought, fault.InvalidField("seller", `must be "me"`)
	case seller != "" && status != "":
		return sought, fault.InvalidField("status", "cannot be given together with seller")
	case seller != "":
		user, signedIn := identity.FromContext(r.Context())
		if !signedIn {
			return sought, fault.New(fault.Unauthenticated, "sign in to see your own tickets")
		}
		sought.index, sought.value = sellerIndex, string(user.ID)
	case status == "all":
		sought.index, sought.value = "", ""
	}
	return sought, nil
}

// invalid reports whether a parameter is given with another value than these.
func invalid(query url.Values, name string, values ...string) bool {
	for _, value := range values {
		if query.Get(name) == value {
			return false
		}
	}
	return query.Has(name)
}

// find returns one ticket more than fit on the page, if there are as many. It returns an id to resume after if it gave
// up before it had found a page.
func (s *api) find(ctx context.Context, sought search, page httpapi.Page) (found []outbox.Entity[Ticket], resume event.ID, _ error) {
	query := store.Query{Index: sought.index, Value: sought.value, After: page.After, Limit: page.Limit + 1}
	if sought.title != "" {
		query.Limit = searchPage
	}
	for range searchPages {
		read, err := s.tickets.List(ctx, query)
		if err != nil {
			return nil, "", err
		}
		for _, ticket := range read {
			if strings.Contains(strings.ToLower(ticket.State.Title), sought.title) {
				found = append(found, ticket)
			}
		}
		if len(read) < query.Limit || len(found) > page.Limit {
			return found, "", nil
		}
		resume = read[len(read)-1].ID
		query.After = string(resume)
	}
	return found, resume, nil
}
