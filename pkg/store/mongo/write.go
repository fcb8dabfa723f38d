package mongo

import (
	"context"
	"errors"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"ticketing/pkg/store"
)

// Put implements store.Collection.
func (c *collection) Put(ctx context.Context, w store.Write) error {
	end, err := c.db.begin()
	if err != nil {
		return err
	}
	defer end()
	doing := fmt.Sprintf("put %s %s at revision %d", c.spec.Name, w.ID, w.Revision)
	if err := c.spec.CheckWrite(w); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if w.Revision == 0 {
		return c.create(ctx, doing, w)
	}
	return c.update(ctx, doing, w)
}

// create inserts a record.
func (c *collection) create(ctx context.Context, doing string, w store.Write) error {
	doc, err := insertDocument(w, c.spec.Indexes)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	_, err = c.records.InsertOne(ctx, doc)
	if _, refusal, found := refusedDuplicate(err); found {
		return c.duplicate(ctx, doing, w, refusal)
	}
	return portError(ctx, doing, err)
}

// duplicate turns a refusal of a write into ErrConflict or ErrKeyTaken.
func (c *collection) duplicate(ctx context.Context, doing string, w store.Write, refusal driver.WriteError) error {
	exists := false
	if w.Revision == 0 { // a change leaves the id alone, so there it is the key
		exists = namesID(refusal)
		if !exists {
			var err error
			if exists, err = c.exists(ctx, w.ID); err != nil {
				return portError(ctx, doing, err)
			}
		}
	}
	if exists {
		return fmt.Errorf("%s: %w", doing, store.ErrConflict)
	}
	return fmt.Errorf("%s: %w", doing, store.ErrKeyTaken)
}

// exists tells whether a record has this id. It reads all that the primary holds, as the check for
// duplicates does, and not only what a majority has.
func (c *collection) exists(ctx context.Context, id string) (bool, error) {
	records := c.records.Clone(options.Collection().SetReadConcern(readconcern.Local()))
	err := records.FindOne(ctx, byID(id), options.FindOne().SetProjection(bson.D{{Key: fieldID, Value: 1}})).Err()
	if errors.Is(err, driver.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, err
}

// update replaces a record that stands at the revision of the write.
func (c *collection) update(ctx context.Context, doing string, w store.Write) error {
	change, err := updateDocument(w, c.spec.Indexes)
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	result, err := c.records.UpdateOne(ctx, atRevision(w.ID, w.Revision), change)
	if _, refusal, found := refusedDuplicate(err); found {
		return c.duplicate(ctx, doing, w, refusal)
	}
	if err != nil {
		return portError(ctx, doing, err)
	}
	if result.MatchedCount == 0 {
		return fmt.Errorf("%s: %w", doing, store.ErrConflict)
	}
	return nil
}

// PutMany implements store.Collection. It is one unordered bulk: the server applies every write that
// it can, each atomically, and the driver adds up how many were.
func (c *collection) PutMany(ctx context.Context, ws []store.Write) error {
	end, err := c.db.begin()
	if err != nil {
		return err
	}
	defer end()
	doing := fmt.Sprintf("put %d records of %s", len(ws), c.spec.Name)
	models := make([]driver.WriteModel, len(ws))
	for i, w := range ws {
		if models[i], err = c.writeModel(w); err != nil {
			return fmt.Errorf("%s: %s: %w", doing, w.ID, err)
		}
	}
	if len(models) == 0 {
		return ctx.Err()
	}
	result, err := c.records.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	if index, refusal, found := refusedDuplicate(err); found {
		return c.duplicate(ctx, doing+": "+ws[index].ID, ws[index], refusal)
	}
	if err != nil {
		return portError(ctx, doing, err)
	}
	if stored := result.InsertedCount + result.MatchedCount; stored < int64(len(ws)) {
		return fmt.Errorf("%s: %w: only %d were at their revisions", doing, store.ErrConflict, stored)
	}
	return nil
}

// writeModel is one write as part of a bulk.
func (c *collection) writeModel(w store.Write) (driver.WriteModel, error) {
	if err := c.spec.CheckWrite(w); err != nil {
		return nil, err
	}
	if w.Revision == 0 {
		doc, err := insertDocument(w, c.spec.Indexes)
		return driver.NewInsertOneModel().SetDocument(doc), err
	}
	change, err := updateDocument(w, c.spec.Indexes)
	return driver.NewUpdateOneModel().SetFilter(atRevision(w.ID, w.Revision)).SetUpdate(change), err
}

// Delete implements store.Collection.
func (c *collection) Delete(ctx context.Context, id string, revision int64) error {
	end, err := c.db.begin()
	if err != nil {
		return err
	}
	defer end()
	doing := fmt.Sprintf("delete %s %s at revision %d", c.spec.Name, id, revision)
	result, err := c.records.DeleteOne(ctx, atRevision(id, revision))
	if err != nil {
		return portError(ctx, doing, err)
	}
	if result.DeletedCount == 0 {
		return fmt.Errorf("%s: %w", doing, store.ErrConflict)
	}
	return nil
}

// byID selects a record.
func byID(id string) bson.D { return bson.D{{Key: fieldID, Value: id}} }

// atRevision selects a record only while it stands at a revision. It is the guard of every
// conditional write.
func atRevision(id string, revision int64) bson.D {
	return bson.D{{Key: fieldID, Value: id}, {Key: fieldRevision, Value: revision}}
}
