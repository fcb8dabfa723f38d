// Package stan is the bus over NATS Streaming: it keeps one client id connected, for ever, and puts
// the members' subscriptions back each time.
//
//	           ┌────────────── owner goroutine ───────────────┐
//	Open ──>   │ dial ──> session ──> subscribe every member  │ ──> Health: connected
//	           │   ^                           │              │
//	           │   └── backoff <── lost <──────┘              │ ──> Health: what it waits for
//	           └──────────────────────────────────────────────┘
//	Publish, Send ──> the session there is now, or ErrUnavailable at once
//	member  <── the session it was last subscribed on
//
// stan.go never revives a connection that was declared lost, and the NATS client underneath it does
// revive its own, to a broker that may no longer know the subscriptions. So a session here is one TCP
// connection and one registration at the broker, and lives and dies whole: whatever breaks, the way
// back is always the same one, and it is the one the conformance suite walks.
//
// A session is declared lost when its TCP connection ends, or when the broker has answered none of the
// last pings, or when it says that the client is no longer registered. What was delivered on a lost
// session and not acked is delivered again on the next one, or to another member of the group.
package stan
