package httpapi

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
)

// PathID returns the id that the route has under name. What is no id is an Invalid fault.
func PathID(r *http.Request, name string) (event.ID, error) {
	id, err := event.ParseID(chi.URLParam(r, name))
	if err != nil {
		return "", fault.InvalidField(name, err.Error())
	}
	return id, nil
}
