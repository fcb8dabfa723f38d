package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/FerretDB/wire"
)

// proxy relays the wire protocol and gives writes their turn, across all connections.
type proxy struct {
	// backend is the address requests are forwarded to.
	backend string
	logger  *slog.Logger
	// turn is held by a write from its forwarding until its reply has been read.
	turn sync.Mutex
}

// serve accepts connections until ctx ends, then closes them all and returns nil. It closes listener.
func (p *proxy) serve(ctx context.Context, listener net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	unwatch := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer unwatch()
	for {
		client, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		conns.Go(func() {
			err := p.relay(ctx, client)
			if err != nil && !errors.Is(err, wire.ErrZeroRead) && ctx.Err() == nil {
				p.logger.Warn("connection ended", "client", client.RemoteAddr().String(), "error", err)
			}
		})
	}
}

// relay serves one client over one connection of its own to the backend. It returns when either side
// has closed, or ctx has ended, and closes both.
func (p *proxy) relay(ctx context.Context, client net.Conn) error {
	defer client.Close()
	var dialer net.Dialer
	backend, err := dialer.DialContext(ctx, "tcp", p.backend)
	if err != nil {
		return fmt.Errorf("connect to the backend: %w", err)
	}
	defer backend.Close()
	unwatch := context.AfterFunc(ctx, func() { _ = errors.Join(client.Close(), backend.Close()) })
	defer unwatch()

	from, to := newPeer(client), newPeer(backend)
	for {
		if err := p.relayOne(from, to); err != nil {
			return err
		}
	}
}

// relayOne forwards one request and returns its reply.
func (p *proxy) relayOne(client, backend peer) error {
	header, request, err := wire.ReadMessage(client.in)
	if err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	command := commandName(request)
	p.logger.Debug("request", "command", command)
	if wantsNoReply(request) {
		return fmt.Errorf("%s without a reply is not supported", command)
	}
	replyHeader, reply, err := p.ask(command, backend, header, request)
	if err != nil {
		return err
	}
	if err := client.send(replyHeader, reply); err != nil {
		return fmt.Errorf("send reply: %w", err)
	}
	return nil
}

// ask has the backend carry out a request, in its turn. It waits for the reply also where the client
// has gone meanwhile: the turn must not pass on while the write still runs.
func (p *proxy) ask(command string, backend peer, header *wire.MsgHeader, request wire.MsgBody) (*wire.MsgHeader, wire.MsgBody, error) {
	if !passesFreely(command) {
		p.turn.Lock()
		defer p.turn.Unlock()
	}
	if msg, ok := request.(*wire.OpMsg); ok && command == "update" {
		return askUpdate(backend, header, msg)
	}
	return exchange(backend, header, request)
}

// askUpdate has the backend carry out the statements of an update one by one.
func askUpdate(backend peer, header *wire.MsgHeader, msg *wire.OpMsg) (*wire.MsgHeader, wire.MsgBody, error) {
	statements, ordered, err := splitUpdate(msg)
	if err != nil {
		return nil, nil, err
	}
	var sum tally
	replyHeader := header
	for i, statement := range statements {
		var reply wire.MsgBody
		if replyHeader, reply, err = exchange(backend, header, statement); err != nil {
			return nil, nil, err
		}
		answer, ok := reply.(*wire.OpMsg)
		if !ok {
			return replyHeader, reply, nil
		}
		doc, err := answer.RawSection0().Decode()
		if err != nil {
			return nil, nil, fmt.Errorf("decode the reply to update: %w", err)
		}
		if !sum.add(i, doc) {
			return replyHeader, reply, nil
		}
		if ordered && len(sum.failures) > 0 {
			break
		}
	}
	reply, err := sum.reply()
	return replyHeader, reply, err
}

// exchange sends one request to the backend and reads its reply.
func exchange(backend peer, header *wire.MsgHeader, request wire.MsgBody) (*wire.MsgHeader, wire.MsgBody, error) {
	if err := backend.send(header, request); err != nil {
		return nil, nil, fmt.Errorf("forward request: %w", err)
	}
	replyHeader, reply, err := wire.ReadMessage(backend.in)
	if err != nil {
		return nil, nil, fmt.Errorf("read reply: %w", err)
	}
	return replyHeader, reply, nil
}

// peer is one end of a connection, buffered.
type peer struct {
	in  *bufio.Reader
	out *bufio.Writer
}

func newPeer(c net.Conn) peer {
	return peer{bufio.NewReader(c), bufio.NewWriter(c)}
}

// send writes one message. The header's length is set to fit the body.
func (p peer) send(header *wire.MsgHeader, body wire.MsgBody) error {
	raw, err := body.MarshalBinary()
	if err != nil {
		return err
	}
	h := *header
	h.MessageLength = int32(wire.MsgHeaderLen + len(raw))
	if err := wire.WriteMessage(p.out, &h, body); err != nil {
		return err
	}
	return p.out.Flush()
}
