package main

import (
	"fmt"
	"strings"

	"github.com/FerretDB/wire"
	"github.com/FerretDB/wire/wirebson"
)

// FerretDB keeps one of its 100 database connections open for every statement of an update command,
// until the command ends, and so waits for ever for the 101st. It also stops at the first statement
// that fails, says neither which nor how many went before, and answers a duplicate key with an
// internal error that quotes SQLite. Therefore the proxy sends the statements one by one and sums up
// the replies as mongod would have.
//
//	update {updates: [a, b]} ──> update {updates: [a]} ──┐
//	                         └─> update {updates: [b]} ──┴─> {n, nModified, writeErrors, ok}
//
// An upsert is counted, but its id is not reported; the adapter has no upserts.

// Codes of the replies, and FerretDB's words for a duplicate key.
const (
	codeInternalError = int32(1)
	codeDuplicateKey  = int32(11000)
	sqliteUnique      = "UNIQUE constraint failed"
)

// splitUpdate returns one request per statement, and whether the first failure ends the command.
func splitUpdate(msg *wire.OpMsg) (statements []*wire.OpMsg, ordered bool, err error) {
	command, err := msg.RawSection0().Decode()
	if err != nil {
		return nil, false, fmt.Errorf("decode update: %w", err)
	}
	updates, err := statementsOf(msg, command)
	if err != nil {
		return nil, false, err
	}
	command.Remove("updates")
	for _, update := range updates {
		one, err := wirebson.NewArray(update)
		if err != nil {
			return nil, false, fmt.Errorf("split update: %w", err)
		}
		if err := command.Add("updates", one); err != nil {
			return nil, false, fmt.Errorf("split update: %w", err)
		}
		statement, err := wire.NewOpMsg(command)
		if err != nil {
			return nil, false, fmt.Errorf("split update: %w", err)
		}
		statements = append(statements, statement)
		command.Remove("updates")
	}
	return statements, command.Get("ordered") != false, nil
}

// statementsOf returns the statements of an update: drivers send them as a section of their own, a
// person's client as a field.
func statementsOf(msg *wire.OpMsg, command *wirebson.Document) (updates []any, err error) {
	for _, section := range msg.Sections() {
		if section.Kind == 1 && section.Identifier == "updates" {
			for _, doc := range section.Documents() {
				updates = append(updates, doc)
			}
		}
	}
	field, ok := command.Get("updates").(wirebson.AnyArray)
	if !ok {
		return updates, nil
	}
	array, err := field.Decode()
	if err != nil {
		return nil, fmt.Errorf("decode statements: %w", err)
	}
	for i := range array.Len() {
		updates = append(updates, array.Get(i))
	}
	return updates, nil
}

// tally sums up the replies to the statements of one update.
type tally struct {
	matched, modified int32
	failures          []any
}

// add counts the reply to a statement. It returns false where the reply is an error of the whole
// command, which then is the reply to all of it.
func (t *tally) add(index int, reply *wirebson.Document) bool {
	if text, _ := reply.Get("errmsg").(string); reply.Get("code") == codeInternalError && strings.Contains(text, sqliteUnique) {
		t.failures = append(t.failures, wirebson.MustDocument(
			"index", int32(index),
			"code", codeDuplicateKey,
			"errmsg", "E11000 duplicate key error: "+text,
		))
		return true
	}
	if reply.Get("ok") != float64(1) {
		return false
	}
	matched, _ := reply.Get("n").(int32)
	modified, _ := reply.Get("nModified").(int32)
	t.matched += matched
	t.modified += modified
	return true
}

// reply is the reply to the whole command.
func (t *tally) reply() (*wire.OpMsg, error) {
	doc := wirebson.MustDocument("n", t.matched, "nModified", t.modified)
	if len(t.failures) > 0 {
		failures, err := wirebson.NewArray(t.failures...)
		if err != nil {
			return nil, fmt.Errorf("sum up replies: %w", err)
		}
		if err := doc.Add("writeErrors", failures); err != nil {
			return nil, fmt.Errorf("sum up replies: %w", err)
		}
	}
	if err := doc.Add("ok", float64(1)); err != nil {
		return nil, fmt.Errorf("sum up replies: %w", err)
	}
	return wire.NewOpMsg(doc)
}
