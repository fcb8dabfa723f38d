package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// client is one keep-alive connection that sends requests one after the other. It does less than
// net/http's client, which would take a good part of the machine away from what is measured.
type client struct {
	conn   net.Conn
	reader *bufio.Reader
	body   []byte
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
// call. An answer with another status, or one without a Content-Length, is an error.
func (c *client) do(request []byte, status int) ([]byte, error) {
	if _, err := c.conn.Write(request); err != nil {
		return nil, fmt.Errorf("send a request: %w", err)
	}
	got, length, err := c.readHead()
	if err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	if _, err := io.ReadFull(c.reader, c.body); err != nil {
		return nil, fmt.Errorf("read an answer: %w", err)
	}
	if got != status {
		return nil, fmt.Errorf("answered %d: %s", got, c.body)
	}
	return c.body, nil
}

// readHead reads the status line and the header, of which it needs no more than the length of the body.
func (c *client) readHead() (status, length int, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	_, code, _ := bytes.Cut(line, []byte(" "))
	if status, err = strconv.Atoi(string(code[:min(3, len(code))])); err != nil {
		return 0, 0, fmt.Errorf("status line %q: %w", line, err)
	}
	length = -1
	for {
		if line, err = c.reader.ReadSlice('\n'); err != nil {
			return 0, 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, is := bytes.CutPrefix(line, []byte("Content-Length: ")); is {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, 0, fmt.Errorf("content length: %w", err)
			}
		}
	}
	if length < 0 {
		return 0, 0, fmt.Errorf("answered %d without a Content-Length", status)
	}
	return status, length, nil
}

// postTicket is a POST /api/tickets as it goes over the wire.
func postTicket(addr string) ([]byte, error) {
	return post(addr, "/api/tickets", fmt.Sprintf(`{"title":%q,"price":20.5}`, title()))
}

// post is a POST of somebody who is signed in as it goes over the wire.
func post(addr, path, body string) ([]byte, error) {
	cookie, err := sessionCookie()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequest(http.MethodPost, "http://"+addr+path, strings.NewReader(body))
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
