package mongo

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// buildTimeout bounds the creation of a collection's indexes. An empty collection needs milliseconds.
// Where a new index joins millions of records and takes longer, build it by hand before the release.
const buildTimeout = time.Minute

// indexName is what can be used as a field of ix as it is: no '.' and no '$'.
var indexName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,60}$`)

// checkIndexNames reports an index name that MongoDB would take for something else.
func checkIndexNames(names []string) error {
	for _, name := range names {
		if !indexName.MatchString(name) {
			return fmt.Errorf("index %q: want 1 to 60 of letters, digits, '-' and '_'", name)
		}
	}
	return nil
}

// createIndexes creates the indexes that are missing, each by a request of its own, so that an error
// names the index. The server takes the same request from several clients at once and answers each
// when the index is there.
func createIndexes(ctx context.Context, records *driver.Collection, names []string) error {
	// A deadline of its own takes the place of the client's shorter time limit, which would abort
	// a long build; how long to wait for a server at all is not changed by it.
	buildCtx, cancel := context.WithTimeout(ctx, buildTimeout)
	defer cancel()
	for _, index := range indexes(names) {
		opts := options.Index().SetName(index.name)
		if index.unique {
			opts.SetUnique(true)
		}
		_, err := records.Indexes().CreateOne(buildCtx, driver.IndexModel{Keys: index.fields, Options: opts})
		if err != nil {
			return portError(ctx, fmt.Sprintf("create index %s of %s", index.name, records.Name()), err)
		}
	}
	return nil
}

// index is one index of a collection.
type index struct {
	name   string
	fields bson.D
	unique bool
}

// indexes returns the unique index of the key, the one for the sweep of the outboxes and one per
// index name. _id is the last field of those that are read in pages, so that pages come in order
// without sorting.
func indexes(names []string) []index {
	all := []index{
		{name: "key", fields: bson.D{{Key: fieldKey, Value: 1}}, unique: true},
		{name: "pending", fields: bson.D{{Key: fieldPending, Value: 1}, {Key: fieldID, Value: 1}}},
	}
	for _, name := range names {
		all = append(all, index{
			name:   "ix-" + name,
			fields: bson.D{{Key: fieldIndex + "." + name, Value: 1}, {Key: fieldID, Value: 1}},
		})
	}
	return all
}
