package mongo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Operation codes of the wire protocol, as far as the driver uses them.
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

// scriptedServer speaks MongoDB's wire protocol and answers from a script. It shows what a server at
// hand cannot be made to say: not the primary, no majority, a lost answer, a wrong password.
type scriptedServer struct {
	// replicaSet tells whether it claims to be the primary of one, or a standalone server.
	replicaSet bool
	// answer is the script: the reply to the n-th command (from 1, handshake and farewell not
	// counted); nil drops the connection.
	answer func(n int, command string) bson.D

	listener net.Listener
	serving  sync.WaitGroup

	mu    sync.Mutex
	count int
	conns []net.Conn
}

// start listens and serves until the test ends.
func (s *scriptedServer) start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.listener = listener
	s.serving.Go(s.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		s.mu.Lock()
		for _, conn := range s.conns {
			_ = conn.Close()
		}
		s.mu.Unlock()
		s.serving.Wait()
	})
}

// uri is where the driver finds the server; options are added to it.
func (s *scriptedServer) uri(credentials, options string) string {
	return "mongodb://" + credentials + s.listener.Addr().String() + "/?serverSelectionTimeoutMS=20000" + options
}

func (s *scriptedServer) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, conn)
		s.mu.Unlock()
		s.serving.Go(func() {
			defer conn.Close()
			for s.serveOne(conn) == nil {
			}
		})
	}
}

// serveOne reads a request and answers it.
func (s *scriptedServer) serveOne(conn net.Conn) error {
	var header [16]byte
	if _, err := io.ReadFull(conn, header[:]); err != nil {
		return err
	}
	body := make([]byte, int(binary.LittleEndian.Uint32(header[:]))-len(header))
	if _, err := io.ReadFull(conn, body); err != nil {
		return err
	}
	requestID, op := binary.LittleEndian.Uint32(header[4:]), binary.LittleEndian.Uint32(header[12:])

	var request bson.Raw
	switch op {
	case opQuery: // flags, name, skip, limit, document
		request = body[4+bytes.IndexByte(body[4:], 0)+1+8:]
	case opMsg: // flags, kind 0, document, further sections
		request = body[5:]
	default:
		return errors.New("unknown operation")
	}
	reply := s.reply(request)
	if reply == nil {
		return errors.New("the script drops the connection")
	}
	doc, err := bson.Marshal(reply)
	if err != nil {
		return err
	}
	_, err = conn.Write(encodeReply(op, requestID, doc))
	return err
}

// reply answers what belongs to the protocol itself, and leaves the rest to the script.
func (s *scriptedServer) reply(request bson.Raw) bson.D {
	first, err := request.IndexErr(0)
	if err != nil {
		return nil
	}
	switch command := first.Key(); command {
	case "hello", "isMaster", "ismaster":
		return s.hello()
	case "endSessions":
		return bson.D{{Key: "ok", Value: 1}}
	default:
		s.mu.Lock()
		s.count++
		n := s.count
		s.mu.Unlock()
		return s.answer(n, command)
	}
}

func (s *scriptedServer) hello() bson.D {
	hello := bson.D{
		{Key: "isWritablePrimary", Value: true},
		{Key: "ismaster", Value: true},
		{Key: "maxBsonObjectSize", Value: int32(maxDocument)},
		{Key: "maxMessageSizeBytes", Value: int32(48_000_000)},
		{Key: "maxWriteBatchSize", Value: int32(100_000)},
		{Key: "logicalSessionTimeoutMinutes", Value: int32(30)},
		{Key: "minWireVersion", Value: int32(0)},
		{Key: "maxWireVersion", Value: int32(21)},
		{Key: "ok", Value: 1},
	}
	if s.replicaSet {
		address := s.listener.Addr().String()
		hello = append(hello,
			bson.E{Key: "setName", Value: "rs"},
			bson.E{Key: "hosts", Value: bson.A{address}},
			bson.E{Key: "me", Value: address},
			bson.E{Key: "primary", Value: address})
	}
	return hello
}

// encodeReply wraps a document in the kind of message that answers op.
func encodeReply(op, requestID uint32, doc []byte) []byte {
	prefix, answerOp := make([]byte, 5), uint32(opMsg) // flags, kind 0
	if op == opQuery {
		prefix, answerOp = make([]byte, 20), opReply // flags, cursor, start, count
		prefix[16] = 1
	}
	message := binary.LittleEndian.AppendUint32(nil, uint32(16+len(prefix)+len(doc)))
	message = binary.LittleEndian.AppendUint32(message, 0)
	message = binary.LittleEndian.AppendUint32(message, requestID)
	message = binary.LittleEndian.AppendUint32(message, answerOp)
	return append(append(message, prefix...), doc...)
}
