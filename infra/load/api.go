package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// answerTimeout is how long an answer may take.
const answerTimeout = 10 * time.Second

// mostFaults is how many unexpected answers are kept word for word.
const mostFaults = 5

// api sends requests to a gateway over connections that are kept. It may be used concurrently once the users
// are signed up.
type api struct {
	base    string
	client  *http.Client
	cookies []*http.Cookie // the users' sessions

	mu     sync.Mutex
	faults []string
}

// newAPI keeps as many connections as there may be requests at once: a new one per request would be what is measured.
func newAPI(base string, connections int) *api {
	transport := &http.Transport{MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true}
	return &api{base: strings.TrimSuffix(base, "/"), client: &http.Client{Transport: transport, Timeout: answerTimeout}}
}

func (a *api) close() { a.client.CloseIdleConnections() }

// signUp makes an account and keeps its session. Its name is new each time, also at a system that was under
// load before. Sign-ups are dear and limited, so there are few and all come before the load.
func (a *api) signUp(ctx context.Context) error {
	body := fmt.Sprintf(`{"email":"load-%s@example.com","password":%q}`, strings.ToLower(rand.Text()), rand.Text())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.base+"/api/users/signup", strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("sign up: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("sign up: %w", err)
	}
	defer res.Body.Close()
	cookies := res.Cookies()
	if res.StatusCode != http.StatusCreated || len(cookies) != 1 {
		return fmt.Errorf("sign up: answered %s with %d cookies", res.Status, len(cookies))
	}
	a.cookies = append(a.cookies, cookies[0])
	return nil
}

// do sends a request and returns the status and the id that the body names, if any.
func (a *api) do(ctx context.Context, r request) (status int, id string, err error) {
	req, err := http.NewRequestWithContext(ctx, r.method, a.base+r.path, strings.NewReader(r.body))
	if err != nil {
		return 0, "", fmt.Errorf("make a request: %w", err)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Cookie", a.cookies[r.user].Name+"="+a.cookies[r.user].Value)
	res, err := a.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, "", fmt.Errorf("read an answer: %w", err)
	}
	if res.StatusCode != http.StatusCreated {
		return res.StatusCode, "", nil
	}
	var named struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &named); err != nil || named.ID == "" {
		return 0, "", fmt.Errorf("a 201 names no id: %w", errors.Join(err, fmt.Errorf("%.80q", body)))
	}
	return res.StatusCode, named.ID, nil
}

// send implements sender. No answer within answerTimeout is a wrong one.
func (a *api) send(ctx context.Context, r request) answer {
	status, id, err := a.do(ctx, r)
	if err == nil && id != "" && r.made != nil {
		r.made(id)
	}
	switch {
	case err != nil:
		a.note("%s %s: %v", r.method, r.path, err)
		return wrong
	case status == http.StatusServiceUnavailable:
		return refused
	case !slices.Contains(r.allow, status):
		a.note("%s %s answered %d", r.method, r.path, status)
		return wrong
	}
	return expected
}

func (a *api) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.faults) < mostFaults {
		a.faults = append(a.faults, fmt.Sprintf(format, args...))
	}
}

// takeFaults returns some of the unexpected answers since the last call.
func (a *api) takeFaults() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	faults := a.faults
	a.faults = nil
	return faults
}
