package mongo

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"ticketing/pkg/store"
)

// Forget implements store.Collection. The two steps are two bulks, because within an unordered bulk
// the second could overtake the first; they are unordered, so that a document that cannot be changed
// does not keep the others waiting. Why no event is lost: see the package comment.
func (c *collection) Forget(ctx context.Context, sent []store.Sent) error {
	end, err := c.db.begin()
	if err != nil {
		return err
	}
	defer end()
	doing := fmt.Sprintf("forget events of %d records of %s", len(sent), c.spec.Name)
	removals, clearings := forgetModels(sent)
	if len(removals) == 0 {
		return ctx.Err()
	}
	for _, models := range [][]driver.WriteModel{removals, clearings} {
		_, err := c.records.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
		if err != nil {
			return portError(ctx, doing, err)
		}
	}
	return nil
}

// forgetModels returns the two steps: removing the named events, and clearing the mark of each record
// whose outbox is empty then.
func forgetModels(sent []store.Sent) (removals, clearings []driver.WriteModel) {
	for _, s := range sent {
		if len(s.Versions) == 0 {
			continue
		}
		events := bson.M{} // a set: a field may be named only once
		for _, version := range s.Versions {
			events[fieldOutbox+"."+versionName(version)] = ""
		}
		removals = append(removals, driver.NewUpdateOneModel().
			SetFilter(byID(s.ID)).
			SetUpdate(bson.D{{Key: "$unset", Value: events}}))
		clearings = append(clearings, driver.NewUpdateOneModel().
			SetFilter(bson.D{{Key: fieldID, Value: s.ID}, {Key: fieldOutbox, Value: bson.D{}}}).
			SetUpdate(bson.D{{Key: "$unset", Value: bson.D{{Key: fieldPending, Value: ""}}}}))
	}
	return removals, clearings
}
