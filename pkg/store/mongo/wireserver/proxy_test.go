package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/FerretDB/wire"
	"github.com/FerretDB/wire/wirebson"
	"github.com/FerretDB/wire/wireclient"
)

// The proxy alone, before a backend that answers when the test says so: of two writes the second is
// not forwarded before the first is answered, while a read passes both.
func TestOneWriteAtATime(t *testing.T) {
	arrived, answer := make(chan string, 3), make(chan struct{})
	uri := startProxy(t, startBackend(t, arrived, answer))
	first, second, reader := connect(t, uri), connect(t, uri), connect(t, uri)
	insert := wire.MustOpMsg("insert", "tickets", "$db", "test")

	// given a write that the backend has, and another behind it
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() { request(t, first, insert) })
	if got := <-arrived; got != "insert" {
		t.Fatalf("the backend has %q", got)
	}
	writing.Go(func() { request(t, second, insert) })

	// when a read comes, it is forwarded at once, and no write before it
	writing.Go(func() { request(t, reader, wire.MustOpMsg("find", "tickets", "$db", "test")) })
	if got := <-arrived; got != "find" {
		t.Errorf("the backend has %q beside the first write, want only the read", got)
	}

	// then the second write follows when the first two are answered
	answer <- struct{}{}
	answer <- struct{}{}
	if got := <-arrived; got != "insert" {
		t.Errorf("the backend has %q", got)
	}
	answer <- struct{}{}
}

// An unacknowledged write has no end that the proxy could wait for.
func TestUnacknowledgedWritesAreRefused(t *testing.T) {
	arrived := make(chan string, 1)
	conn := connect(t, startProxy(t, startBackend(t, arrived, nil)))
	msg := wire.MustOpMsg("insert", "tickets", "$db", "test")
	msg.Flags = wire.OpMsgFlags(wire.OpMsgMoreToCome)
	if _, _, err := conn.Request(t.Context(), msg); err == nil {
		t.Error("the write was answered")
	}
	if len(arrived) > 0 {
		t.Error("the write was forwarded")
	}
}

// The whole server: conditional updates of one document have one winner.
func TestConditionalUpdatesHaveOneWinner(t *testing.T) {
	const rounds, writers = 20, 8
	uri := startServer(t)
	setup := connect(t, uri)
	request(t, setup, wire.MustOpMsg("insert", "tickets",
		"documents", wirebson.MustArray(wirebson.MustDocument("_id", "a", "rev", int32(0))), "$db", "test"))
	conns := make([]*wireclient.Conn, writers)
	for i := range conns {
		conns[i] = connect(t, uri)
	}
	for round := range int32(rounds) {
		winners := make(chan int32, writers)
		var racing sync.WaitGroup
		for _, conn := range conns {
			racing.Go(func() {
				reply := request(t, conn, updates("tickets", statement("a", round)))
				winners <- reply.Get("n").(int32)
			})
		}
		racing.Wait()
		close(winners)
		var won int32
		for n := range winners {
			won += n
		}
		if won != 1 {
			t.Fatalf("round %d has %d winners", round, won)
		}
	}
}

// An update of more statements than FerretDB has connections is carried out, and a statement that
// another record's key stands against is named.
func TestLargeUpdateWithADuplicateKey(t *testing.T) {
	conn := connect(t, startServer(t))
	request(t, conn, wire.MustOpMsg("createIndexes", "tickets", "indexes", wirebson.MustArray(
		wirebson.MustDocument("key", wirebson.MustDocument("rev", int32(1)), "name", "rev", "unique", true)), "$db", "test"))
	request(t, conn, wire.MustOpMsg("insert", "tickets", "documents", wirebson.MustArray(
		wirebson.MustDocument("_id", "a", "rev", int32(0)), wirebson.MustDocument("_id", "b", "rev", int32(150))), "$db", "test"))

	var statements []any
	for rev := range int32(152) { // number 149 would bring a to the 150 that b has
		statements = append(statements, statement("a", rev))
	}
	reply := request(t, conn, updates("tickets", statements...))

	if reply.Get("n") != int32(149) {
		t.Errorf("matched %v, want 149", reply.Get("n"))
	}
	refusals, ok := reply.Get("writeErrors").(*wirebson.Array)
	if !ok || refusals.Len() != 1 {
		t.Fatalf("reply is %v, want one refusal", reply)
	}
	refusal := refusals.Get(0).(*wirebson.Document)
	if refusal.Get("index") != int32(149) || refusal.Get("code") != codeDuplicateKey {
		t.Errorf("refusal is %v", refusal)
	}
}

// statement brings a document from a revision to the next one, if it stands there.
func statement(id string, rev int32) *wirebson.Document {
	return wirebson.MustDocument(
		"q", wirebson.MustDocument("_id", id, "rev", rev),
		"u", wirebson.MustDocument("$set", wirebson.MustDocument("rev", rev+1)),
	)
}

func updates(collection string, statements ...any) *wire.OpMsg {
	return wire.MustOpMsg("update", collection, "updates", wirebson.MustArray(statements...), "ordered", false, "$db", "test")
}

// request sends a command and returns its reply.
func request(t *testing.T, conn *wireclient.Conn, msg *wire.OpMsg) *wirebson.Document {
	t.Helper()
	_, body, err := conn.Request(context.Background(), msg)
	if err != nil {
		t.Errorf("request: %v", err)
		return wirebson.MustDocument("n", int32(0))
	}
	doc, err := body.(*wire.OpMsg).RawSection0().DecodeDeep()
	if err != nil {
		t.Errorf("decode reply: %v", err)
	}
	return doc
}

func connect(t *testing.T, uri string) *wireclient.Conn {
	t.Helper()
	conn, err := wireclient.Connect(t.Context(), uri, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// startServer runs the whole program and returns the URI that it prints.
func startServer(t *testing.T) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, config{listen: "127.0.0.1:0", level: slog.LevelError}, in, io.Discard)
		_ = in.CloseWithError(io.EOF)
		ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("read the URI: %v", err)
	}
	return strings.TrimSpace(strings.TrimPrefix(line, "MONGO_URI="))
}

// startProxy runs a proxy before a backend and returns the URI of the proxy.
func startProxy(t *testing.T, backend string) string {
	t.Helper()
	listener := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	p := &proxy{backend: backend, logger: slog.New(slog.DiscardHandler)}
	ended := make(chan error, 1)
	go func() { ended <- p.serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "mongodb://" + listener.Addr().String() + "/"
}

// startBackend reports the name of each command that arrives, and answers it when told to.
func startBackend(t *testing.T, arrived chan<- string, answer <-chan struct{}) string {
	t.Helper()
	listener := listen(t)
	var serving sync.WaitGroup
	t.Cleanup(func() {
		_ = listener.Close()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				p := newPeer(conn)
				for {
					header, body, err := wire.ReadMessage(p.in)
					if err != nil {
						return
					}
					arrived <- commandName(body)
					<-answer
					reply := &wire.MsgHeader{ResponseTo: header.RequestID, OpCode: wire.OpCodeMsg}
					if p.send(reply, wire.MustOpMsg("n", int32(1), "ok", 1.0)) != nil {
						return
					}
				}
			})
		}
	})
	return listener.Addr().String()
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}
