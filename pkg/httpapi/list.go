package httpapi

import "net/http"

// WriteList answers with one page of a list as a JSON array. items are what was found from page.After
// on, one more than page.Limit where there are more: that one is not shown, and says that a next page
// exists. id returns an item's id, by which the list is ordered.
func WriteList[T any](w http.ResponseWriter, r *http.Request, page Page, items []T, id func(T) string) error {
	if len(items) > page.Limit {
		items = items[:page.Limit]
		LinkNext(w, r, id(items[page.Limit-1]))
	}
	if items == nil {
		items = []T{} // an empty array, not null
	}
	return WriteJSON(w, http.StatusOK, items)
}
