// Package oncall is what the person on call asks a service over its admin listener: which events are
// parked and why, which entities wait for a version that does not come, what its replicas are; and to try
// or drop a parked event, and to mend replicas.
//
//	busctl parked|gaps|verify|rebuild ──> admin listener ──> Routes ──> replica
//	/metrics (package telemetry), /readyz ──> counts, CheckGaps ──────> replica
//
// It must never be on a public listener: payloads and internal reasons are shown as they are.
package oncall

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"ticketing/pkg/event"
	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/parking"
	"ticketing/pkg/replica"
)

// DefaultGapAge is how long a gap may last before it is shown: most heal within milliseconds.
const DefaultGapAge = time.Minute

// mostGaps bounds how many gaps are looked at.
const mostGaps = 1000

// Replica is one kind of entity that a service keeps replicas of: a *replica.Replica of any state.
type Replica interface {
	Name() string
	Parking() *parking.Lot
	Retry(ctx context.Context, id string) (verdict replica.Verdict, parked bool, err error)
	Gaps(ctx context.Context, before time.Time, limit int) ([]replica.Gap, error)
	DropEarly(ctx context.Context, id event.ID) error
	List(ctx context.Context, after event.ID, limit int) ([]replica.Item, event.ID, error)
	Item(ctx context.Context, id event.ID) (replica.Item, error)
	Resync(ctx context.Context, data []byte, ahead event.Version) (bool, error)
	Loss(ctx context.Context) (replica.Loss, error)
	LossMended(ctx context.Context, mended replica.Loss) error
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
	Kinds []Kind
	Log   *slog.Logger
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
//	GET    /replicas/{kind}/loss     what the broker has removed before it was sent, as replica.Loss
//	POST   /replicas/{kind}/mended   forget the loss in the body: the replicas are equal to their source
//	                                 again; 409 if more was lost since
//	POST   /replicas/{kind}/rebuild  start to make all of them anew from the broker's history;
//	                                 ?anyway=true also where that is no longer whole
//	GET    /replicas/{kind}/rebuild  how that goes, as replica.Rebuild
func (d *Desk) Routes(r chi.Router) {
	handle := func(h httpapi.Handler) http.HandlerFunc { return httpapi.Handle(d.Log, h) }
	r.Get("/parked", handle(d.listParked))
	r.Get("/parked/{id}", handle(d.showParked))
	r.Post("/parked/{id}/retry", handle(d.retryParked))
	r.Delete("/parked/{id}", handle(d.dropParked))
	r.Get("/gaps", handle(d.gaps))
	r.Delete("/gaps/{kind}/{id}", handle(d.dropEarly))
	r.Get("/replicas/{kind}", handle(d.replicas))
	r.Get("/replicas/{kind}/{id}", handle(d.replica))
	r.Post("/replicas/{kind}/resync", handle(d.resync))
	r.Get("/replicas/{kind}/loss", handle(d.loss))
	r.Post("/replicas/{kind}/mended", handle(d.mended))
	r.Post("/replicas/{kind}/rebuild", handle(d.startRebuild))
	r.Get("/replicas/{kind}/rebuild", handle(d.rebuild))
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
	found, err := d.findGaps(r.Context(), age, mostGaps)
	if err != nil {
		return err
	}
	return httpapi.WriteJSON(w, http.StatusOK, found)
}

func (d *Desk) findGaps(ctx context.Context, age time.Duration, limit int) ([]replica.Gap, error) {
	found := []replica.Gap{} // an empty array, not null
	for _, kind := range d.Kinds {
		gaps, err := kind.Gaps(ctx, d.Now().Add(-age), limit-len(found))
		if err != nil {
			return nil, err
		}
		found = append(found, gaps...)
	}
	return found, nil
}

// CheckGaps is a readiness check that names the oldest of the gaps older than DefaultGapAge.
func (d *Desk) CheckGaps(ctx context.Context) error {
	found, err := d.findGaps(ctx, DefaultGapAge, mostGaps)
	if err != nil || len(found) == 0 {
		return err
	}
	oldest := slices.MinFunc(found, func(a, b replica.Gap) int { return a.Since.Compare(b.Since) })
	return fmt.Errorf("%d entities wait for a version; %s for version %d since %s",
		len(found), oldest.Entity, oldest.WaitsFor, oldest.Since.UTC().Format(time.RFC3339))
}
