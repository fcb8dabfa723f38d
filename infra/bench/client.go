package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// client is one keep-alive connection that sends requests one after the other. It does less than
// net/http's client, which would take a good part of the machine away from what is measured.
type client struct {
	conn   net.Conn
	reader *bufio.Reader
	body   bytes.Buffer
}

func dialClient(ctx context.Context, addr string) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect to the service: %w", err)
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, fmt.Errorf("bound the connection: %w", err)
		}
	}
	return &client{conn: conn, reader: bufio.NewReader(conn)}, nil
}

func (c *client) close() error { return c.conn.Close() }

// do sends a request as it goes over the wire and returns the body of the answer, valid until the next
// call. An answer with another status is an error.
func (c *client) do(request []byte, status int) ([]byte, error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, fmt.Errorf("send a request: %w", err)
	}
	answer, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	defer answer.Body.Close()
	c.body.Reset()
	if _, err := io.Copy(&c.body, answer.Body); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	if answer.StatusCode != status {
		return nil, fmt.Errorf("answered %s: %s", answer.Status, c.body.Bytes())
	}
	return c.body.Bytes(), nil
}

// postTicket is a POST /api/tickets as it goes over the wire.
func postTicket(addr string) ([]byte, error) {
	cookie, err := sessionCookie()
	if err != nil {
		return nil, err
	}
	body := fmt.Sprintf(`{"title":%q,"price":20.5}`, title())
	request, err := http.NewRequest(http.MethodPost, "http://"+addr+"/api/tickets", strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Cookie", cookie)
	var wire bytes.Buffer
	if err := request.Write(&wire); err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	return wire.Bytes(), nil
}
