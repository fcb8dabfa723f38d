package oncall

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/httpapi"
	"ticketing/pkg/parking"
	"ticketing/pkg/store"
)

// Parked is a parked event as it is shown: the payload as text if it is text.
type Parked struct {
	parking.Entry
	// Text is the payload if it is UTF-8; Data, in base64, is then left out.
	Text string `json:"text,omitempty"`
	Data []byte `json:"data,omitempty"`
}

func show(e parking.Entry) Parked {
	if utf8.Valid(e.Data) {
		return Parked{Entry: e, Text: string(e.Data)}
	}
	return Parked{Entry: e, Data: e.Data}
}

// listParked answers with a page of the events that any kind has parked. A page ends early if its payloads are large.
func (d *Desk) listParked(w http.ResponseWriter, r *http.Request) error {
	page, err := httpapi.ParseCursor(r)
	if err != nil {
		return err
	}
	entries, next, err := d.parked(r.Context(), page.After, page.Limit)
	if err != nil {
		return err
	}
	if next != "" {
		httpapi.LinkNext(w, r, next)
	}
	shown := []Parked{} // an empty array, not null
	for _, e := range entries {
		shown = append(shown, show(e))
	}
	return httpapi.WriteJSON(w, http.StatusOK, shown)
}

// parked returns a page of all kinds, in the order of the ids.
func (d *Desk) parked(ctx context.Context, after string, limit int) (entries []parking.Entry, next string, err error) {
	for _, kind := range d.Kinds {
		page, following, err := kind.Parking().List(ctx, after, limit)
		if err != nil {
			return nil, "", err
		}
		entries = append(entries, page...)
		if following != "" && (next == "" || following < next) {
			next = following
		}
	}
	slices.SortFunc(entries, func(a, b parking.Entry) int { return cmp.Compare(a.ID, b.ID) })
	known := func(e parking.Entry) bool { return next == "" || e.ID <= next } // behind it a kind may have others
	if at := slices.IndexFunc(entries, func(e parking.Entry) bool { return !known(e) }); at >= 0 {
		entries = entries[:at]
	}
	if len(entries) > limit {
		entries = entries[:limit]
		next = entries[limit-1].ID
	}
	return entries, next, nil
}

// parkedEvent is the parked event that the path names, and the kind that has it. store.ErrNotFound if none has.
func (d *Desk) parkedEvent(r *http.Request) (Kind, parking.Entry, error) {
	id := chi.URLParam(r, "id")
	for _, kind := range d.Kinds {
		entry, err := kind.Parking().Get(r.Context(), id)
		if !errors.Is(err, store.ErrNotFound) {
			return kind, entry, err
		}
	}
	return Kind{}, parking.Entry{}, store.ErrNotFound
}

func (d *Desk) showParked(w http.ResponseWriter, r *http.Request) error {
	_, entry, err := d.parkedEvent(r)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, show(entry))
}

// Retried is the answer to a retry.
type Retried struct {
	// Verdict is the verdict's name. Parked reports whether the event is still parked.
	Verdict string `json:"verdict"`
	Parked  bool   `json:"parked"`
}

func (d *Desk) retryParked(w http.ResponseWriter, r *http.Request) error {
	kind, entry, err := d.parkedEvent(r)
	if err != nil {
		return err
	}
	verdict, parked, err := kind.Retry(r.Context(), entry.ID)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, Retried{Verdict: verdict.String(), Parked: parked})
}

func (d *Desk) dropParked(w http.ResponseWriter, r *http.Request) error {
	kind, entry, err := d.parkedEvent(r)
	if err != nil {
		return err
	}
	if err := kind.Parking().Drop(r.Context(), entry.ID); err != nil {
		return err
	}
	d.Log.Warn("parked event dropped by a person", "subject", entry.Channel, "sequence", entry.Sequence,
		"id", entry.ID, "reason", entry.Reason)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
