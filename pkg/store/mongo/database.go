package mongo

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"ticketing/pkg/store"
)

// Time limits, where the URI does not set its own (timeoutMS, serverSelectionTimeoutMS).
const (
	// callTimeout bounds a call whose context has no deadline. It is longer than an election takes
	// in a healthy replica set, so that the driver's own repetition can succeed.
	callTimeout = 15 * time.Second
	// selectionTimeout is how long a call waits for a primary before it is ErrUnavailable.
	selectionTimeout = 3 * time.Second
	// disconnectTimeout bounds the farewell to the server.
	disconnectTimeout = 5 * time.Second
)

// databaseName is what MongoDB takes as a name on every platform.
var databaseName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)

// DB is one service's database on a MongoDB server. It implements store.Database.
type DB struct {
	client   *driver.Client
	database *driver.Database

	mu     sync.Mutex // guards closed, and calls against growing after it
	closed bool
	calls  sync.WaitGroup
}

var _ store.Database = (*DB)(nil)

// Open prepares the named database of the server at uri ("mongodb://..." or "mongodb+srv://...", with
// user and password where the server wants them). It does not wait for the server, which may start
// later than the service: an error means that uri or name is wrong. Until the server can be reached,
// Collection, Ping and every other call return store.ErrUnavailable, within the URI's
// serverSelectionTimeoutMS (default 3 s); repeat them with backoff. timeoutMS (default 15 s) bounds
// calls whose context has no deadline. Write concern, read concern and read preference of the URI
// are not used.
func Open(uri, name string) (*DB, error) {
	return open(uri, name, nil)
}

// open is Open with an ear on the commands that go over the wire; monitor may be nil.
func open(uri, name string, monitor *event.CommandMonitor) (*DB, error) {
	if !databaseName.MatchString(name) {
		return nil, fmt.Errorf("open database %q: want 1 to 63 of letters, digits, '-' and '_'", name)
	}
	clientOptions := options.Client().
		SetTimeout(callTimeout).
		SetServerSelectionTimeout(selectionTimeout).
		SetMonitor(monitor).
		ApplyURI(uri)
	client, err := driver.Connect(clientOptions)
	if err != nil {
		return nil, fmt.Errorf("open database %q: %w", name, err)
	}
	journaled := true
	return &DB{
		client: client,
		database: client.Database(name, options.Database().
			SetWriteConcern(&writeconcern.WriteConcern{W: writeconcern.WCMajority, Journal: &journaled}).
			SetReadConcern(readconcern.Majority()).
			SetReadPreference(readpref.Primary())),
	}, nil
}

// begin registers a call. It returns store.ErrUnavailable once Close has been called, else the
// function to call at the end.
func (d *DB) begin() (end func(), err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, fmt.Errorf("%w: database is closed", store.ErrUnavailable)
	}
	d.calls.Add(1)
	return d.calls.Done, nil
}

// Collection implements store.Database. Several processes may open the same collection at once.
// Building an index over records that are there already may take a while; the call waits up to a
// minute for it.
func (d *DB) Collection(ctx context.Context, spec store.Spec) (store.Collection, error) {
	end, err := d.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	if err := errors.Join(spec.Check(), checkIndexNames(spec.Indexes)); err != nil {
		return nil, fmt.Errorf("open collection: %w", err)
	}
	records := d.database.Collection(spec.Name)
	if err := createIndexes(ctx, records, spec.Indexes); err != nil {
		return nil, err
	}
	return newCollection(d, records, spec), nil
}

// Drop implements store.Database.
func (d *DB) Drop(ctx context.Context, name string) error {
	end, err := d.begin()
	if err != nil {
		return err
	}
	defer end()
	if err := (store.Spec{Name: name}).Check(); err != nil {
		return fmt.Errorf("drop collection: %w", err)
	}
	return portError(ctx, "drop collection "+name, d.database.Collection(name).Drop(ctx))
}

// Ping implements store.Database: nil when a primary answers, that is a server which takes writes.
// Where it has lost its majority it steps down within its election timeout, and Ping says so then.
// The user's rights are not checked by it, but by Collection.
func (d *DB) Ping(ctx context.Context) error {
	end, err := d.begin()
	if err != nil {
		return err
	}
	defer end()
	return portError(ctx, "ping MongoDB", d.client.Ping(ctx, readpref.Primary()))
}

// Close implements store.Database. It waits for running calls, which their contexts and time limits
// bound, and then closes all connections. Closing twice is harmless.
func (d *DB) Close() error {
	d.mu.Lock()
	again := d.closed
	d.closed = true
	d.mu.Unlock()
	d.calls.Wait()
	if again {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), disconnectTimeout)
	defer cancel()
	if err := d.client.Disconnect(ctx); err != nil {
		return fmt.Errorf("disconnect from MongoDB: %w", err)
	}
	return nil
}
