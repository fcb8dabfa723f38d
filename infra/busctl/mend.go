package main

import (
	"context"
	"fmt"
	"net/http"

	"ticketing/pkg/oncall"
)

// What can come of mending.
const (
	resynced  = "resynced"
	equalNow  = "equal by now"
	notMended = "still differs"
	hasNone   = "the source has none; left as it is"
)

// mend makes what differs equal to the source, looks whether it is, notes what came of each, and returns how many
// differ still. Where those are none that the source knows, the service need not show a loss of events any more.
func (v *verify) mend(ctx context.Context, term terminal, places comparison, differences []difference) (left int, err error) {
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
	_, err = v.Service.ask(ctx, http.MethodPost, "/replicas/"+v.Kind+"/mended", nil)
	return left, err
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
