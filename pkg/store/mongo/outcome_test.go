package mongo

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"ticketing/pkg/store"
)

// A primary that answers the repetition of a write from its memory: the write counts as done, though
// the first answer was lost. What makes it safe is that both attempts carry the same number.
func TestLostAnswerOfAReplicaSet(t *testing.T) {
	// given a primary whose first answer is lost
	done := written(1)
	c, heard := openScripted(t, &scriptedServer{replicaSet: true, answer: func(n int, command string) bson.D {
		if n == 1 {
			return nil
		}
		return done(n, command)
	}})

	// when a record is changed
	err := c.Put(t.Context(), store.Write{ID: "a", Revision: 1})

	// then the driver has repeated the same numbered write, and its answer is the outcome
	if err != nil {
		t.Errorf("put: %v", err)
	}
	attempts := heard.fields(t, "lsid", "txnNumber", "updates")
	if len(attempts) != 2 || !strings.Contains(attempts[0], "txnNumber") {
		t.Fatalf("want two numbered attempts, got %v", attempts)
	}
	if diff := cmp.Diff(attempts[0], attempts[1]); diff != "" {
		t.Errorf("attempts differ (-first +second):\n%s", diff)
	}
}

// A standalone server could not tell a repetition from a second write, so there is none.
func TestLostAnswerOfAStandaloneServer(t *testing.T) {
	c, heard := openScripted(t, &scriptedServer{answer: func(int, string) bson.D { return nil }})
	err := c.Put(t.Context(), store.Write{ID: "a", Revision: 1})
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	attempts := heard.fields(t, "txnNumber", "updates")
	if len(attempts) != 1 || strings.Contains(attempts[0], "txnNumber") {
		t.Errorf("want one attempt without a number, got %v", attempts)
	}
}

// What a server says about itself or about the request, and what the port makes of it.
func TestAnswersOfTheServer(t *testing.T) {
	duplicateOf := func(field string) bson.D {
		return bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}, {Key: "writeErrors", Value: bson.A{bson.D{
			{Key: "index", Value: 0}, {Key: "code", Value: 11000}, {Key: "errmsg", Value: "E11000 duplicate key"},
			{Key: "keyPattern", Value: bson.D{{Key: field, Value: 1}}},
		}}}}
	}
	// The record that refuses is on the primary, and no majority has it yet: it may be rolled back.
	inDoubt := func(answer bson.D) bson.D {
		return append(answer, bson.E{Key: "writeConcernError", Value: bson.D{
			{Key: "code", Value: 64}, {Key: "errmsg", Value: "waiting for replication timed out"},
		}})
	}
	failure := func(code int) bson.D {
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: code}, {Key: "errmsg", Value: "no"}}
	}
	notDurable := inDoubt(bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 1}})
	nothingMatched := bson.D{{Key: "ok", Value: 1}, {Key: "n", Value: 0}, {Key: "nModified", Value: 0}}
	update, create := store.Write{ID: "a", Revision: 1}, store.Write{ID: "a"}

	tests := map[string]struct {
		write  store.Write
		answer bson.D
		want   error // nil: a plain error, none of the port's
		finds  bool  // whether the adapter has to look which duplicate it was
	}{
		"not the primary":              {write: update, answer: failure(10107), want: store.ErrUnavailable},
		"shutting down":                {write: update, answer: failure(91), want: store.ErrUnavailable},
		"disk full":                    {write: update, answer: failure(14031), want: store.ErrUnavailable},
		"not allowed":                  {write: update, answer: failure(13), want: store.ErrUnavailable},
		"not durable":                  {write: update, answer: notDurable, want: store.ErrUnavailable},
		"grew too large":               {write: update, answer: failure(17419), want: nil},
		"refused":                      {write: update, answer: failure(2), want: nil},
		"id exists":                    {write: create, answer: duplicateOf("_id"), want: store.ErrConflict},
		"id exists, in doubt":          {write: create, answer: inDoubt(duplicateOf("_id")), want: store.ErrUnavailable},
		"key of another, in doubt":     {write: update, answer: inDoubt(duplicateOf("key")), want: store.ErrUnavailable},
		"another revision, in doubt":   {write: update, answer: inDoubt(nothingMatched), want: store.ErrUnavailable},
		"key of another, new record":   {write: create, answer: duplicateOf("key"), want: store.ErrKeyTaken, finds: true},
		"key of another, known record": {write: update, answer: duplicateOf("key"), want: store.ErrKeyTaken},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			none := written(0)
			c, heard := openScripted(t, &scriptedServer{replicaSet: true, answer: func(n int, command string) bson.D {
				if command == "find" {
					return none(n, command)
				}
				return test.answer
			}})
			err := c.Put(t.Context(), test.write)
			if err == nil {
				t.Fatal("put succeeded")
			}
			for _, known := range []error{store.ErrUnavailable, store.ErrConflict, store.ErrKeyTaken} {
				if errors.Is(err, known) != (known == test.want) {
					t.Errorf("got %v, want %v", err, test.want)
				}
			}
			finds := len(heard.fields(t, "find")) > 1
			if finds != test.finds {
				t.Errorf("looked for the record: %v, want %v", finds, test.finds)
			}
		})
	}
}

// A wrong password is a matter of configuration: wait and say so, never blame the record.
func TestWrongPassword(t *testing.T) {
	s := &scriptedServer{answer: func(int, string) bson.D {
		return bson.D{{Key: "ok", Value: 0}, {Key: "code", Value: 18}, {Key: "errmsg", Value: "Authentication failed."}}
	}}
	s.start(t)
	db, err := Open(s.uri("user:wrong@", "&authMechanism=SCRAM-SHA-256"), "tickets")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Ping(t.Context())
	if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "refuses the user name or password") {
		t.Errorf("got %v, want ErrUnavailable that names the password", err)
	}
}
