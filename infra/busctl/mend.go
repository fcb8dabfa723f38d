package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"ticketing/pkg/oncall"
	"ticketing/pkg/replica"
)

// What can come of mending.
const (
	resynced  = "resynced"
	equalNow  = "equal by now"
	notMended = "still differs"
	hasNone   = "the source has none; left as it is"
)

// mend makes what differs equal to the source, looks whether it is, notes what came of each, and returns how many
// differ still. If those are none that the source knows, the service need not show the loss any more that was known
// before.
func (v *verify) mend(ctx context.Context, term terminal, places comparison, lost replica.Loss, differences []difference) (left int, err error) {
	var tried []difference
	for i := range differences {
		d := &differences[i]
		if d.Outcome, err = places.resync(ctx, *d); err != nil {
			d.Outcome = err.Error() // the others may succeed
		}
		if d.Outcome != hasNone {
			tried = append(tried, *d)
		}
	}
	// Events may have come since they were compared, and what was kept early has been applied with the mending.
	still, err := places.confirm(ctx, tried, v.Within)
	differs := map[string]bool{}
	for _, d := range still {
		differs[d.ID] = true
	}
	for i := range differences {
		d := &differences[i]
		if differs[d.ID] && (d.Outcome == resynced || d.Outcome == equalNow) {
			d.Outcome = notMended
		}
		if differs[d.ID] || d.Outcome == hasNone {
			left++
		}
		if v.JSON {
			continue
		}
		if _, err := fmt.Fprintf(term.out, "%s/%s: %s\n", v.Kind, d.ID, d.Outcome); err != nil {
			return left, err
		}
	}
	if err != nil || len(still) > 0 {
		return left, err
	}
	return left, v.forget(ctx, lost)
}

// loss is what the service knew to be lost before anything was compared.
func (v *verify) loss(ctx context.Context) (lost replica.Loss, err error) {
	_, err = v.Service.ask(ctx, http.MethodGet, "/replicas/"+v.Kind+"/loss", &lost)
	return lost, err
}

// forget has the service forget that loss; if it has grown meanwhile, this fails with the service's reason.
func (v *verify) forget(ctx context.Context, lost replica.Loss) error {
	body, err := json.Marshal(lost)
	if err != nil {
		return err
	}
	_, err = v.Service.send(ctx, http.MethodPost, "/replicas/"+v.Kind+"/mended", body, nil)
	return err
}

// resync hands the source's document to the service. What the source does not know it cannot mend.
func (c comparison) resync(ctx context.Context, d difference) (outcome string, err error) {
	document, err := c.readSource(ctx, d.ID)
	if err != nil {
		return "", err
	}
	if document == nil {
		return hasNone, nil
	}
	path := "/replicas/" + c.kind + "/resync"
	if d.What == ahead {
		path += fmt.Sprintf("?ahead=%d", *d.Replica) // unless it has gone on since
	}
	var answer oncall.Resynced
	if _, err := c.service.send(ctx, http.MethodPost, path, document, &answer); err != nil {
		return "", err
	}
	if answer.Changed {
		return resynced, nil
	}
	return equalNow, nil
}
