package mongo

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	driverevent "go.mongodb.org/mongo-driver/v2/event"

	"ticketing/pkg/store"
)

// commands records what the driver sends, apart from the creation of indexes.
type commands struct {
	mu   sync.Mutex
	sent []bson.Raw
}

func (c *commands) monitor() *driverevent.CommandMonitor {
	return &driverevent.CommandMonitor{Started: func(_ context.Context, e *driverevent.CommandStartedEvent) {
		if e.CommandName == "createIndexes" || e.CommandName == "endSessions" {
			return
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sent = append(c.sent, append(bson.Raw(nil), e.Command...))
	}}
}

// fields returns the named fields of each command, as JSON, without those it does not have.
func (c *commands) fields(t *testing.T, names ...string) []string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, command := range c.sent {
		picked := bson.D{}
		for _, name := range names {
			if value, err := command.LookupErr(name); err == nil {
				picked = append(picked, bson.E{Key: name, Value: value})
			}
		}
		text, err := bson.MarshalExtJSON(picked, false, false)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(text))
	}
	return all
}

// openScripted opens a collection on a scripted server whose script answers all but createIndexes.
func openScripted(t *testing.T, s *scriptedServer) (store.Collection, *commands) {
	t.Helper()
	script, indexes := s.answer, 3
	s.answer = func(n int, command string) bson.D {
		if command == "createIndexes" {
			return bson.D{{Key: "ok", Value: 1}}
		}
		return script(n-indexes, command)
	}
	s.start(t)
	heard := &commands{}
	db, err := open(s.uri("", ""), "tickets", heard.monitor())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := db.Collection(t.Context(), store.Spec{Name: "tickets", Indexes: []string{"user"}})
	if err != nil {
		t.Fatal(err)
	}
	return c, heard
}

// written answers every write with n documents and every find with none.
func written(n int) func(int, string) bson.D {
	return func(_ int, command string) bson.D {
		if command == "find" {
			return bson.D{{Key: "ok", Value: 1}, {Key: "cursor", Value: bson.D{
				{Key: "id", Value: int64(0)}, {Key: "ns", Value: "tickets.tickets"}, {Key: "firstBatch", Value: bson.A{}},
			}}}
		}
		return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: n}, {Key: "nModified", Value: n}}
	}
}

func emit() []store.Event {
	return []store.Event{{Channel: "ticket:updated", At: time.UnixMilli(1).UTC(), Data: []byte(`{"id":"a"}`)}}
}

// The commands that carry the promises of the port, field for field.
func TestCommandsOnTheWire(t *testing.T) {
	const durable = `"writeConcern":{"w":"majority","j":true}`
	const sent = `{"channel":"ticket:updated","seq":0,"at":{"$date":"1970-01-01T00:00:00.001Z"},"data":"{\"id\":\"a\"}"}`
	const content = `"version":4,"key":"k","ix":{"user":"u"},"state":"{}","early":[]`
	write := store.Write{
		ID: "a", Revision: 7, Version: 4, Key: "k", Index: map[string]string{"user": "u"},
		State: []byte("{}"), Emit: emit(),
	}
	create, silent := write, write
	create.Revision = 0
	silent.Emit = nil

	insertOfCreate := `{"insert":"tickets","documents":[{"_id":"a","rev":1,` + content +
		`,"pending":true,"outbox":{"4":` + sent + `}}],`
	updateOfWrite := `{"update":"tickets","updates":[{"q":{"_id":"a","rev":7},"u":{"$set":{"rev":8,` + content +
		`,"outbox.4":` + sent + `,"pending":true}}}],`

	tests := map[string]struct {
		affected int
		call     func(context.Context, store.Collection) error
		want     []string
	}{
		"create": {
			affected: 1,
			call:     func(ctx context.Context, c store.Collection) error { return c.Put(ctx, create) },
			want:     []string{insertOfCreate + `"ordered":true,` + durable + `}`},
		},
		"update": {
			affected: 1,
			call:     func(ctx context.Context, c store.Collection) error { return c.Put(ctx, write) },
			want:     []string{updateOfWrite + `"ordered":true,` + durable + `}`},
		},
		"update without an event leaves the outbox alone": {
			affected: 1,
			call:     func(ctx context.Context, c store.Collection) error { return c.Put(ctx, silent) },
			want: []string{`{"update":"tickets","updates":[{"q":{"_id":"a","rev":7},"u":{"$set":{"rev":8,` + content +
				`}}}],"ordered":true,` + durable + `}`},
		},
		"many": {
			affected: 1,
			call: func(ctx context.Context, c store.Collection) error {
				return c.PutMany(ctx, []store.Write{create, write})
			},
			want: []string{
				insertOfCreate + `"ordered":false,` + durable + `}`,
				updateOfWrite + `"ordered":false,` + durable + `}`,
			},
		},
		"delete": {
			affected: 1,
			call:     func(ctx context.Context, c store.Collection) error { return c.Delete(ctx, "a", 7) },
			want: []string{`{"delete":"tickets","deletes":[{"q":{"_id":"a","rev":7},"limit":1}],"ordered":true,` +
				durable + `}`},
		},
		"forget": {
			affected: 2,
			call: func(ctx context.Context, c store.Collection) error {
				return c.Forget(ctx, []store.Sent{{ID: "a", Versions: []int64{4}}, {ID: "none"}, {ID: "b", Versions: []int64{0}}})
			},
			want: []string{
				`{"update":"tickets","updates":[{"q":{"_id":"a"},"u":{"$unset":{"outbox.4":""}}},` +
					`{"q":{"_id":"b"},"u":{"$unset":{"outbox.0":""}}}],"ordered":false,` + durable + `}`,
				`{"update":"tickets","updates":[{"q":{"_id":"a","outbox":{}},"u":{"$unset":{"pending":""}}},` +
					`{"q":{"_id":"b","outbox":{}},"u":{"$unset":{"pending":""}}}],"ordered":false,` + durable + `}`,
			},
		},
		"get many": {
			call: func(ctx context.Context, c store.Collection) error {
				_, err := c.GetMany(ctx, []string{"b", "a", "b"})
				return err
			},
			want: []string{`{"find":"tickets","filter":{"_id":{"$in":["a","b"]}},"readConcern":{"level":"majority"}}`},
		},
		"list": {
			call: func(ctx context.Context, c store.Collection) error {
				_, err := c.List(ctx, store.Query{Index: "user", Value: "u", After: "m", Limit: 5})
				return err
			},
			want: []string{`{"find":"tickets","filter":{"ix.user":"u","_id":{"$gt":"m"}},"sort":{"_id":1},"limit":5,` +
				`"readConcern":{"level":"majority"}}`},
		},
		"pending": {
			call: func(ctx context.Context, c store.Collection) error {
				_, err := c.Pending(ctx, "", 5)
				return err
			},
			want: []string{`{"find":"tickets","filter":{"pending":true,"outbox":{"$ne":{}}},"sort":{"_id":1},"limit":5,` +
				`"readConcern":{"level":"majority"}}`},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c, heard := openScripted(t, &scriptedServer{replicaSet: true, answer: written(test.affected)})
			if err := test.call(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			got := heard.fields(t, "insert", "update", "delete", "find", "documents", "updates", "deletes",
				"filter", "sort", "limit", "ordered", "writeConcern", "readConcern", "$readPreference")
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}

// A server that matched nothing has written nothing.
func TestNothingMatchedIsAConflict(t *testing.T) {
	calls := map[string]func(context.Context, store.Collection) error{
		"put": func(ctx context.Context, c store.Collection) error {
			return c.Put(ctx, store.Write{ID: "a", Revision: 7})
		},
		"put many": func(ctx context.Context, c store.Collection) error {
			return c.PutMany(ctx, []store.Write{{ID: "a", Revision: 7}})
		},
		"delete": func(ctx context.Context, c store.Collection) error {
			return c.Delete(ctx, "a", 7)
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			c, _ := openScripted(t, &scriptedServer{replicaSet: true, answer: written(0)})
			if err := call(t.Context(), c); !errors.Is(err, store.ErrConflict) {
				t.Errorf("got %v, want ErrConflict", err)
			}
		})
	}
}
