package main

import "github.com/FerretDB/wire"

// commandName returns the name of the command in a request, empty where it has none.
func commandName(body wire.MsgBody) string {
	switch b := body.(type) {
	case *wire.OpMsg:
		doc, err := b.RawSection0().Decode()
		if err != nil {
			return ""
		}
		return doc.Command()
	case *wire.OpQuery: // only the handshake still uses it
		return b.Query().Command()
	default:
		return ""
	}
}

// passesFreely tells whether a command may run beside any other. What is not known to only read
// waits for its turn.
func passesFreely(command string) bool {
	switch command {
	case "find", "getMore", "killCursors", "count", "distinct", "aggregate",
		"listCollections", "listDatabases", "listIndexes", "explain",
		"collStats", "dbStats", "dataSize", "serverStatus",
		"hello", "isMaster", "ismaster", "ping", "buildInfo", "buildinfo", "connectionStatus",
		"endSessions", "saslStart", "saslContinue", "logout":
		return true
	default:
		return false
	}
}

// wantsNoReply tells whether the client will not read a reply (an unacknowledged write). The proxy
// could not know when such a write has ended.
func wantsNoReply(body wire.MsgBody) bool {
	msg, ok := body.(*wire.OpMsg)
	return ok && msg.Flags.FlagSet(wire.OpMsgMoreToCome)
}
