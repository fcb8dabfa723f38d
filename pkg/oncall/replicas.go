package oncall

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/replica"
)

func (d *Desk) kind(r *http.Request) (Kind, error) {
	name := chi.URLParam(r, "kind")
	for _, k := range d.Kinds {
		if k.Name() == name {
			return k, nil
		}
	}
	return Kind{}, fault.New(fault.NotFound, fmt.Sprintf("this service has no replicas of %q", name))
}

// entity is the one that the path names, and its kind.
func (d *Desk) entity(r *http.Request) (Kind, event.ID, error) {
	kind, err := d.kind(r)
	if err != nil {
		return Kind{}, "", err
	}
	id, err := httpapi.PathID(r, "id")
	return kind, id, err
}

// replicas lists a page; the Link header leads to the next one until there is none.
func (d *Desk) replicas(w http.ResponseWriter, r *http.Request) error {
	kind, err := d.kind(r)
	if err != nil {
		return err
	}
	page, err := httpapi.ParsePage(r)
	if err != nil {
		return err
	}
	items, next, err := kind.List(r.Context(), event.ID(page.After), page.Limit)
	if err != nil {
		return err
	}
	if next != "" {
		httpapi.LinkNext(w, r, string(next))
	}
	if items == nil {
		items = []replica.Item{} // an empty array, not null
	}
	return httpapi.WriteJSON(w, http.StatusOK, items)
}

func (d *Desk) replica(w http.ResponseWriter, r *http.Request) error {
	kind, id, err := d.entity(r)
	if err != nil {
		return err
	}
	item, err := kind.Item(r.Context(), id)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, item)
}

func (d *Desk) dropEarly(w http.ResponseWriter, r *http.Request) error {
	kind, id, err := d.entity(r)
	if err != nil {
		return err
	}
	if err := kind.DropEarly(r.Context(), id); err != nil {
		return err
	}
	d.Log.Warn("early events dropped by a person", "kind", kind.Name(), "id", string(id))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Resynced is the answer to a resync.
type Resynced struct {
	Changed bool `json:"changed"`
}

func (d *Desk) resync(w http.ResponseWriter, r *http.Request) error {
	kind, err := d.kind(r)
	if err != nil {
		return err
	}
	ahead := event.None
	if seen := r.URL.Query().Get("ahead"); seen != "" {
		version, err := strconv.ParseInt(seen, 10, 64)
		if err != nil || version < 0 {
			return fault.InvalidField("ahead", "must be a version")
		}
		ahead = event.Version(version)
	}
	data, err := io.ReadAll(http.MaxBytesReader(w, r.Body, httpapi.MaxBody))
	if err != nil {
		return fault.New(fault.TooLarge, "the entity is too large")
	}
	changed, err := kind.Resync(r.Context(), data, ahead)
	var broken *event.DecodeError
	if errors.As(err, &broken) {
		return fault.InvalidField(broken.Field, broken.Reason)
	}
	if err != nil {
		return err
	}
	if changed {
		d.Log.Warn("replica resynced by a person", "kind", kind.Name())
	}
	return httpapi.WriteJSON(w, http.StatusOK, Resynced{Changed: changed})
}

func (d *Desk) loss(w http.ResponseWriter, r *http.Request) error {
	kind, err := d.kind(r)
	if err != nil {
		return err
	}
	loss, err := kind.Loss(r.Context())
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, loss)
}

func (d *Desk) mended(w http.ResponseWriter, r *http.Request) error {
	kind, err := d.kind(r)
	if err != nil {
		return err
	}
	var mended replica.Loss
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, httpapi.MaxBody)).Decode(&mended); err != nil {
		return fault.New(fault.Invalid, "the body must be the loss that is mended, as GET .../loss shows it")
	}
	err = kind.LossMended(r.Context(), mended)
	if errors.Is(err, replica.ErrMoreLost) {
		return fault.New(fault.Conflict, err.Error())
	}
	if err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (d *Desk) startRebuild(w http.ResponseWriter, r *http.Request) error {
	kind, err := d.kind(r)
	if err != nil {
		return err
	}
	if err := kind.StartRebuild(r.URL.Query().Get("anyway") == "true"); err != nil {
		return fault.New(fault.Conflict, err.Error())
	}
	d.Log.Warn("rebuild started by a person", "kind", kind.Name())
	return httpapi.WriteJSON(w, http.StatusAccepted, kind.Rebuild())
}

func (d *Desk) rebuild(w http.ResponseWriter, r *http.Request) error {
	kind, err := d.kind(r)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, kind.Rebuild())
}
