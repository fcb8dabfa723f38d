// Package httpapi is how every service speaks HTTP: one router, one shape of errors, one way to read a
// body, a page or a precondition, one server.
//
//	listener ─> Serve (timeouts, graceful end)
//	              └─> NewRouter: headers, panics, paths, body limit, cross-origin, access line
//	                    └─> Handle(log, h): h returns an error ──> status and problem document
//	                          └─> h: Decode, ParsePage, ParsePrecondition ─> rule ─> WriteJSON, SetETag, LinkNext
//
// Handlers and middleware have net/http signatures, except that a Handler returns its error. A second
// listener, never reachable from outside, serves Admin: health and readiness.
package httpapi
