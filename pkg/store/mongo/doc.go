// Package mongo is the store port (package store) over MongoDB: one document per record, every
// promise of the port kept by updates of a single document.
//
//	store.Write ──> encode ──> insertOne                                 (revision 0)
//	                      └──> updateOne {_id, rev} {$set: ...}          (any other)
//	                                                   └─ outbox.<version>, pending: true (Emit)
//
//	{ _id, rev, version, key, ix: {name: value or null}, state,
//	  outbox: {"<version>": {channel, seq, at, data}}, pending: true,
//	  early: [{version, channel, seq, at, data}] }
//
//	relay ──> Pending: find {pending: true}
//	      └─> Forget: 1. updateOne {_id}             {$unset: {outbox.<version>}}
//	                  2. updateOne {_id, outbox: {}} {$unset: {pending}}
//
// A conditional update is safe because the server evaluates filter and update of one document as one
// step. Forget loses no event that is added between or during its steps: step 1 names the versions
// that are on the bus and touches no other, and step 2 clears the mark only where the outbox is seen
// empty in the same step, while an event that comes after it brings the mark along in its own write.
// It neither reads nor writes rev, so it conflicts with no writer. A crash between the steps leaves a
// mark without events; Pending skips such a record and the record's next event clears the mark.
//
// Multi-document transactions, change streams, partial indexes and pipeline updates are not used, so
// a standalone server serves as well as a replica set.
//
// # Durability
//
// Writes use {w: "majority", j: true}: what was acknowledged survives the crash of any minority.
// Reads go to the primary with read concern "majority": they never show a write that a change of
// primary may still roll back. Otherwise a consumer could acknowledge an event because it saw it
// applied, and then lose the state.
//
// # Unknown outcomes
//
// The driver repeats a write once after a network error or a change of primary. On a replica set the
// repetition carries the number of the first attempt, and the server answers it with the first
// attempt's result instead of applying it again, so a write that had succeeded is not reported as a
// conflict with itself. A standalone server keeps no such numbers; there the driver does not repeat,
// and a write whose answer was lost is store.ErrUnavailable: it may have been stored.
//
// # Refusals
//
// The server checks ids, keys and revisions against all that the primary holds, which a majority may not have yet. It
// still waits for the write concern before it refuses a write, and a write that changes nothing, so that what it
// answers cannot be rolled back. That wait ends when the view of read concern "majority" has the record that refused,
// so a read after ErrConflict or ErrKeyTaken shows it. A wait that fails is ErrUnavailable.
//
// A read that comes after a change of primary may still miss the record for a moment: the new primary does not know
// at once what a majority has. MongoDB 8.0 waits for that after a planned change (SERVER-53813). So a caller must not
// take "not found" for an answer after ErrConflict.
//
// # What has been proven
//
// Nothing here has been run against a real mongod. The conformance suite, its races and the commands
// on the wire have been run against the stand-in in ./wireserver (FerretDB v1.24 with SQLite, one
// write at a time). It understands the same commands, but it is a single server: it has no majority,
// no journal option, no change of primary and no retryable writes. What this package relies on there
// is MongoDB's documentation and the driver's. Where a real server is at hand, set MONGO_URI to it and
// run the same tests.
package mongo
