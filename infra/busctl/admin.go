package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ticketing/pkg/httpapi"
)

// admin is the admin listener of one service.
type admin struct {
	URL     string        `name:"admin" env:"BUSCTL_ADMIN" default:"http://127.0.0.1:8081/orders" placeholder:"URL" help:"The service's admin listener (default ${default})."`
	Timeout time.Duration `default:"30s" placeholder:"TIME" help:"How long to wait for its answer (default ${default})."`
}

const howToReachAdmin = "`make run` has the admin listener of orders at http://127.0.0.1:8081/orders, " +
	"`kubectl port-forward deploy/orders-depl 8081:3001` brings one to http://127.0.0.1:8081"

// ask is send without a body.
func (a admin) ask(ctx context.Context, method, path string, into any) (next string, err error) {
	return a.send(ctx, method, path, nil, into)
}

// send sends a request and reads the JSON of the answer into into, where that is not nil. next is the query
// of the list's next page, empty where there is none. A refusal is a statusError.
func (a admin) send(ctx context.Context, method, path string, body []byte, into any) (next string, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(a.URL, "/")+path, bytes.NewReader(body))
	if err != nil {
		return "", usageError{err}
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err
		}
		return "", fmt.Errorf("nothing answers at %s: %w; %s", req.URL.Redacted(), err, howToReachAdmin)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return "", fmt.Errorf("read the answer of %s: %w", req.URL.Redacted(), err)
	}
	if res.StatusCode >= 300 {
		return "", refusal(req.URL, res.StatusCode, data)
	}
	if into != nil {
		if err := json.Unmarshal(data, into); err != nil {
			return "", fmt.Errorf("read the answer of %s: %w", req.URL.Redacted(), err)
		}
	}
	return nextPage(res.Header.Get("Link")), nil
}

// statusError is an answer that refuses.
type statusError struct {
	code int
	error
}

// refusal is the error of an answer that is a problem document, or nothing we know.
func refusal(address *url.URL, status int, body []byte) error {
	var problem httpapi.Problem
	if err := json.Unmarshal(body, &problem); err != nil || problem.Title == "" {
		return statusError{status, fmt.Errorf("%s answers %d", address.Redacted(), status)}
	}
	if problem.Detail == "" {
		return statusError{status, fmt.Errorf("%s answers %d %s", address.Redacted(), status, problem.Title)}
	}
	return statusError{status, fmt.Errorf("%s answers %d %s: %s", address.Redacted(), status, problem.Title, problem.Detail)}
}

// nextPage takes the query out of `<?after=...>; rel="next"`.
func nextPage(link string) string {
	reference, relation, ok := strings.Cut(link, ">; ")
	if !ok || relation != `rel="next"` {
		return ""
	}
	_, query, _ := strings.Cut(reference, "?")
	return query
}
