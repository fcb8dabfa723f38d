// Package story is what people do with the system, told over HTTP: the walk that shows that all of it works.
//
//	Front ──> Meet ──> *Person (cookies kept) ──> Do, Sell, Edit, Order, Cancel, Pay
//	     └──> Walk: two people and one ticket
//
// It knows no service from inside, so it can be told to a local run and to a cluster alike.
package story

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"
)

// requestTimeout is how long a person waits for an answer.
const requestTimeout = 30 * time.Second

// Front is where the system is reached.
type Front struct {
	// BaseURL is scheme and host as browsers see them, for instance http://ticketing.localhost.
	BaseURL string
	// ConnectTo is a host:port to connect to instead of what that host resolves to; empty for none.
	ConnectTo string
}

// StatusError is an answer with another status than the one that was expected.
type StatusError struct {
	Method, Path string
	Want, Got    int
	Body         string
}

// Error tells what was asked and what came back.
func (e *StatusError) Error() string {
	return fmt.Sprintf("%s %s answered %d, want %d: %.300s", e.Method, e.Path, e.Got, e.Want, e.Body)
}

// Is reports whether err is a StatusError with this status.
func Is(err error, status int) bool {
	var e *StatusError
	return errors.As(err, &e) && e.Got == status
}

// Person is somebody with an account and a browser. It may be used concurrently.
type Person struct {
	Email string

	base string
	http *http.Client
}

// Meet makes a person with a new account and signs them in.
func Meet(ctx context.Context, f Front, name string) (*Person, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("make a cookie jar: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if f.ConnectTo != "" {
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, f.ConnectTo)
		}
	}
	p := &Person{
		Email: fmt.Sprintf("%s-%s@example.com", name, strings.ToLower(rand.Text()[:10])),
		base:  strings.TrimSuffix(f.BaseURL, "/"),
		http:  &http.Client{Jar: jar, Transport: transport, Timeout: requestTimeout},
	}
	account := map[string]string{"email": p.Email, "password": "correct horse"}
	if err := p.Do(ctx, http.MethodPost, "/api/users/signup", account, http.StatusCreated, nil); err != nil {
		return nil, fmt.Errorf("sign up %s: %w", name, err)
	}
	return p, nil
}

// Leave closes the browser.
func (p *Person) Leave() { p.http.CloseIdleConnections() }

// Do sends a request with a JSON body, where that is not nil, and reads the JSON answer into into, where
// that is not nil. A *StatusError where the status is not want.
func (p *Person) Do(ctx context.Context, method, path string, body any, want int, into any) error {
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encode the body of %s %s: %w", method, path, err)
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.base+path, payload)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := p.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("read the answer to %s %s: %w", method, path, err)
	}
	if res.StatusCode != want {
		return &StatusError{Method: method, Path: path, Want: want, Got: res.StatusCode, Body: string(data)}
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("decode the answer to %s %s: %w", method, path, err)
	}
	return nil
}
