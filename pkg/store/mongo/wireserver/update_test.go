package main

import (
	"testing"

	"github.com/FerretDB/wire"
	"github.com/FerretDB/wire/wirebson"
)

// An update with its statements as a field; a driver's section of its own is seen in proxy_test.go.
func TestSplitUpdate(t *testing.T) {
	statement := func(id string) *wirebson.Document {
		return wirebson.MustDocument("q", wirebson.MustDocument("_id", id))
	}
	msg := wire.MustOpMsg(
		"update", "tickets",
		"updates", wirebson.MustArray(statement("a"), statement("b")),
		"ordered", false,
		"$db", "test",
	)
	statements, ordered, err := splitUpdate(msg)
	if err != nil {
		t.Fatal(err)
	}
	if ordered {
		t.Error("ordered, want unordered")
	}
	if len(statements) != 2 {
		t.Fatalf("%d statements, want 2", len(statements))
	}
	for i, id := range []string{"a", "b"} {
		doc, err := statements[i].RawSection0().DecodeDeep()
		if err != nil {
			t.Fatal(err)
		}
		updates := doc.Get("updates").(*wirebson.Array)
		got := updates.Get(0).(*wirebson.Document).Get("q").(*wirebson.Document).Get("_id")
		if updates.Len() != 1 || got != id || doc.Command() != "update" || doc.Get("$db") != "test" {
			t.Errorf("statement %d is %v", i, doc)
		}
	}
}

// The sum of the replies says what mongod would: what matched, and which statement was refused.
func TestTally(t *testing.T) {
	var sum tally
	for i, reply := range []*wirebson.Document{
		wirebson.MustDocument("n", int32(1), "nModified", int32(1), "ok", 1.0),
		wirebson.MustDocument("ok", 0.0, "code", codeInternalError, "errmsg", "constraint failed: "+sqliteUnique),
		wirebson.MustDocument("n", int32(1), "nModified", int32(0), "ok", 1.0),
	} {
		if !sum.add(i, reply) {
			t.Errorf("reply %d ended the command", i)
		}
	}
	if sum.add(3, wirebson.MustDocument("ok", 0.0, "code", codeInternalError, "errmsg", "disk is full")) {
		t.Error("an error of the whole command was counted as a refusal")
	}
	msg, err := sum.reply()
	if err != nil {
		t.Fatal(err)
	}
	reply, err := msg.RawSection0().DecodeDeep()
	if err != nil {
		t.Fatal(err)
	}
	if reply.Get("n") != int32(2) || reply.Get("nModified") != int32(1) || reply.Get("ok") != 1.0 {
		t.Errorf("sum is %v", reply)
	}
	refusals := reply.Get("writeErrors").(*wirebson.Array)
	refusal := refusals.Get(0).(*wirebson.Document)
	if refusals.Len() != 1 || refusal.Get("index") != int32(1) || refusal.Get("code") != codeDuplicateKey {
		t.Errorf("refusals are %v", refusals)
	}
}

func TestWhatPassesFreely(t *testing.T) {
	for command, want := range map[string]bool{
		"find": true, "getMore": true, "ping": true, "hello": true, "saslStart": true,
		"insert": false, "update": false, "delete": false, "findAndModify": false, "createIndexes": false,
		"dropDatabase": false, "": false, "unheardOf": false,
	} {
		if got := passesFreely(command); got != want {
			t.Errorf("%q passes freely: %v, want %v", command, got, want)
		}
	}
}
