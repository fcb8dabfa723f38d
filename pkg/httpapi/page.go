package httpapi

import (
	"net/http"
	"net/url"
	"strconv"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
)

const (
	defaultLimit = 50
	maxLimit     = 200
)

// Page is the part of a list that a request asks for.
type Page struct {
	// Limit is the most elements, 1 to 200; 50 where the request does not say.
	Limit int
	// After is the id after which the page begins; empty for the first page.
	After string
}

// ParsePage reads ?limit= and ?after=. It returns an Invalid fault that names the parameter.
func ParsePage(r *http.Request) (Page, error) { return parsePage(r, parseAfter) }

// ParseCursor does so for a list whose elements have ids of another form than entities. The list makes sense of After.
func ParseCursor(r *http.Request) (Page, error) {
	return parsePage(r, func(query url.Values) (string, error) { return query.Get("after"), nil })
}

func parsePage(r *http.Request, parseAfter func(url.Values) (string, error)) (Page, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return Page{}, fault.New(fault.Invalid, "query is malformed")
	}
	limit, err := parseLimit(query)
	after, afterErr := parseAfter(query)
	if err := fault.Join(err, afterErr); err != nil {
		return Page{}, err
	}
	return Page{Limit: limit, After: after}, nil
}

func parseLimit(query url.Values) (int, error) {
	if !query.Has("limit") {
		return defaultLimit, nil
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 || limit > maxLimit || len(query["limit"]) > 1 {
		return 0, fault.InvalidField("limit", "must be a whole number from 1 to "+strconv.Itoa(maxLimit))
	}
	return limit, nil
}

func parseAfter(query url.Values) (string, error) {
	if !query.Has("after") {
		return "", nil
	}
	id, err := event.ParseID(query.Get("after"))
	if err != nil || len(query["after"]) > 1 {
		return "", fault.InvalidField("after", "must be the id of an element, 24 lower-case hex digits")
	}
	return string(id), nil
}

// LinkNext tells the client where the next page is: the same query, beginning after the given id. The
// reference is relative, so it holds behind any gateway.
func LinkNext(w http.ResponseWriter, r *http.Request, after string) {
	query := r.URL.Query()
	query.Set("after", after)
	w.Header().Add("Link", "<?"+query.Encode()+`>; rel="next"`)
}
