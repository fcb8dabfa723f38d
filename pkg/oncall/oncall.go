// Package oncall is what the person on call asks a service over its admin listener: which events are
// parked and why, which entities wait for a version that does not come, what its replicas are; and to try
// or drop a parked event, and to mend replicas.
//
//	busctl parked|gaps|verify|rebuild ──> admin listener ──> Routes ──> replica
//	Prometheus, probes ──> /metrics, /readyz ──> Metrics, checks ──> replica, outbox, BrokerLog
//
// It must never be on a public listener: payloads and internal reasons are shown as they are.
package oncall

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/replica"
	"ticketing/pkg/store"
)

// DefaultGapAge is how long a gap may last before it is shown: most heal within milliseconds.
const DefaultGapAge = time.Minute

// mostGaps bounds how many gaps are looked at.
const mostGaps = 1000

// Replica is one kind of entity that a service keeps replicas of: a *replica.Replica of any state.
type Replica interface {
	Name() string
	Subjects() []event.Subject
	Retry(ctx context.Context, id string) (replica.Verdict, error)
	Gaps(ctx context.Context, before time.Time, limit int) ([]replica.Gap, error)
	DropEarly(ctx context.Context, id event.ID) error
	List(ctx context.Context, after event.ID, limit int) ([]replica.Item, event.ID, error)
	Item(ctx context.Context, id event.ID) (replica.Item, error)
	Resync(ctx context.Context, data []byte, ahead event.Version) (bool, error)
	Loss(ctx context.Context) (replica.Loss, error)
	LossMended(ctx context.Context) error
	Verdicts() map[replica.Verdict]uint64
}

// Rebuilder makes the replicas of a kind anew: a *replica.Consumer of any state.
type Rebuilder interface {
	StartRebuild(anyway bool) error
	Rebuild() replica.Rebuild
}

// Kind is one kind of entity at the desk.
type Kind struct {
	Replica
	Rebuilder
}

// Desk answers for one service. It may be used concurrently.
type Desk struct {
	Parking *replica.Parking
	Kinds   []Kind
	Log     *slog.Logger
	// Now is the clock.
	Now func() time.Time
}

// Routes adds the desk's routes to an admin router:
//
//	GET    /parked[?limit=&after=]   a page of parked events
//	GET    /parked/{id}              one, with its payload
//	POST   /parked/{id}/retry        handle it again: {"verdict": "apply"}
//	DELETE /parked/{id}              drop it; a rebuild parks it again
//	GET    /gaps[?older=1m]          entities that wait for a version for longer than that
//	DELETE /gaps/{kind}/{id}         drop what came behind the version that it waits for;
//	                                 a rebuild meets that again
//	GET    /replicas/{kind}          a page of replicas, as replica.Item
//	GET    /replicas/{kind}/{id}     one of them
//	POST   /replicas/{kind}/resync   make one equal to the entity in the body, an event of the kind;
//	                                 ?ahead=7 also where it stands at version 7 and that is higher
//	POST   /replicas/{kind}/mended   forget a loss: the replicas are equal to their source again
//	POST   /replicas/{kind}/rebuild  start to make all of them anew from the broker's history;
//	                                 ?anyway=true also where that is no longer whole
//	GET    /replicas/{kind}/rebuild  how that goes, as replica.Rebuild
func (d *Desk) Routes(r chi.Router) {
	handle := func(h httpapi.Handler) http.HandlerFunc { return httpapi.Handle(d.Log, h) }
	r.Get("/parked", handle(d.list))
	r.Get("/parked/{id}", handle(d.show))
	r.Post("/parked/{id}/retry", handle(d.retry))
	r.Delete("/parked/{id}", handle(d.drop))
	r.Get("/gaps", handle(d.gaps))
	r.Delete("/gaps/{kind}/{id}", handle(d.dropEarly))
	r.Get("/replicas/{kind}", handle(d.replicas))
	r.Get("/replicas/{kind}/{id}", handle(d.replica))
	r.Post("/replicas/{kind}/resync", handle(d.resync))
	r.Post("/replicas/{kind}/mended", handle(d.mended))
	r.Post("/replicas/{kind}/rebuild", handle(d.startRebuild))
	r.Get("/replicas/{kind}/rebuild", handle(d.rebuild))
}

// Parked is a parked event as it is shown: the payload as text where it is text.
type Parked struct {
	replica.Parked
	// Text is the payload where it is UTF-8; Data, in base64, is then left out.
	Text string `json:"text,omitempty"`
	Data []byte `json:"data,omitempty"`
}

func show(p replica.Parked) Parked {
	if utf8.Valid(p.Data) {
		return Parked{Parked: p, Text: string(p.Data)}
	}
	return Parked{Parked: p, Data: p.Data}
}

func (d *Desk) list(w http.ResponseWriter, r *http.Request) error {
	page, err := httpapi.ParsePage(r)
	if err != nil {
		return err
	}
	entries, err := d.Parking.List(r.Context(), page.After, page.Limit+1)
	if err != nil {
		return err
	}
	shown := make([]Parked, len(entries))
	for i, entry := range entries {
		shown[i] = show(entry)
	}
	return httpapi.WriteList(w, r, page, shown, func(p Parked) string { return p.ID })
}

func (d *Desk) show(w http.ResponseWriter, r *http.Request) error {
	entry, err := d.Parking.Get(r.Context(), chi.URLParam(r, "id"))
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, show(entry))
}

// Retried is the answer to a retry.
type Retried struct {
	// Verdict is the verdict's name; Parked says whether the event is still parked.
	Verdict string `json:"verdict"`
	Parked  bool   `json:"parked"`
}

func (d *Desk) retry(w http.ResponseWriter, r *http.Request) error {
	id := chi.URLParam(r, "id")
	entry, err := d.Parking.Get(r.Context(), id)
	if err != nil {
		return err
	}
	for _, kind := range d.Kinds {
		if !slices.Contains(kind.Subjects(), event.Subject(entry.Channel)) {
			continue
		}
		verdict, err := kind.Retry(r.Context(), id)
		if err != nil {
			return err
		}
		_, err = d.Parking.Get(r.Context(), id)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return httpapi.WriteJSON(w, http.StatusOK, Retried{Verdict: verdict.String(), Parked: err == nil})
	}
	return fault.New(fault.Conflict, "this service does not listen to "+entry.Channel+" any more")
}

func (d *Desk) drop(w http.ResponseWriter, r *http.Request) error {
	id := chi.URLParam(r, "id")
	entry, err := d.Parking.Get(r.Context(), id)
	if err != nil {
		return err
	}
	if err := d.Parking.Drop(r.Context(), id); err != nil {
		return err
	}
	d.Log.Warn("parked event dropped by a person", "subject", entry.Channel, "sequence", entry.Sequence,
		"id", entry.ID, "reason", entry.Reason)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (d *Desk) gaps(w http.ResponseWriter, r *http.Request) error {
	age := DefaultGapAge
	if given := r.URL.Query().Get("older"); given != "" {
		parsed, err := time.ParseDuration(given)
		if err != nil || parsed < 0 {
			return fault.InvalidField("older", "must be a duration such as 90s")
		}
		age = parsed
	}
	found, err := d.findGaps(r.Context(), age)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, found)
}

func (d *Desk) findGaps(ctx context.Context, age time.Duration) ([]replica.Gap, error) {
	found := []replica.Gap{} // an empty array, not null
	for _, kind := range d.Kinds {
		gaps, err := kind.Gaps(ctx, d.Now().Add(-age), mostGaps-len(found))
		if err != nil {
			return nil, err
		}
		found = append(found, gaps...)
	}
	return found, nil
}

// CheckGaps is a readiness check that names the oldest of the gaps older than DefaultGapAge.
func (d *Desk) CheckGaps(ctx context.Context) error {
	found, err := d.findGaps(ctx, DefaultGapAge)
	if err != nil || len(found) == 0 {
		return err
	}
	oldest := slices.MinFunc(found, func(a, b replica.Gap) int { return a.Since.Compare(b.Since) })
	return fmt.Errorf("%d entities wait for a version; %s for version %d since %s",
		len(found), oldest.Entity, oldest.WaitsFor, oldest.Since.UTC().Format(time.RFC3339))
}
