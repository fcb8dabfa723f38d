// Package crashpoints kills the services at named points of their way, again and again, and checks after each
// start that nothing is lost, doubled or out of order. It has only tests.
//
//	load ──> tickets ──> broker ──> orders, diary        three processes; one of them, the victim,
//	           │ each on ports with a trap ──────────┘    runs on ports that have a trap
//	           └ trap: kill -9 of its own process at the n-th pass of a point
//
// The traps are in decorators of the ports (store.Database, bus), so the services run as they are. The points are
// those at which what is stored and what is said about it differ:
//
//	Put ─ 1 ─> Publish ─ 2 ─> the relay notes it ─ 3 ─> Forget
//	React ─ 4 ─> PutMany: half of the batch ─ 5 ─ in the commit ─ 6 ─> the end ─ 7 ─> ack
//	a store that was lost: history, half of it ─ 5 ─ all of it ─ 8 ─> the mark that says so
//	payments: charging ─> the provider charges ─ 9 ─> charged ─ 1 ─> Publish
//	a rebuild: a number ─ 8 ─> history, half of it ─ 5 ─ all of it ─ 8 ─> every member over ─ 8 ─> the mark
package crashpoints
