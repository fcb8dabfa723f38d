package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// answer is what the test reads of a ticket or an order.
type answer struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
	Ticket  struct {
		Version int `json:"version"`
	} `json:"ticket"`
}

type client struct {
	http.Client
	base string
}

func (c *client) call(method, path, body string) (status int, a answer, err error) {
	req, err := http.NewRequest(method, c.base+path, bytes.NewBufferString(body))
	if err != nil {
		return 0, a, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return 0, a, err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode < 300 && len(data) > 0 {
		err = json.Unmarshal(data, &a)
	}
	return res.StatusCode, a, err
}

var gatewayURL = regexp.MustCompile(`gateway=(\S+)`)

// The process is killed in the middle of writes, three times. Whatever was answered with 2xx is there
// after the next start, and reaches orders: an order reserves the ticket at the version it was answered.
func TestKillLosesNothingThatWasAnswered(t *testing.T) {
	const writers, rounds = 8, 3
	dir := "DATA_DIR=" + t.TempDir()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	user := &client{Client: http.Client{Jar: jar, Timeout: time.Minute}}
	versions := make([]map[string]int, writers) // per writer, what each ticket was answered to stand at
	for w := range versions {
		versions[w] = map[string]int{}
	}
	for round := range rounds {
		cmd := program(t, dir)
		user.base = gatewayURL.FindStringSubmatch(start(t, cmd))[1]
		if round == 0 {
			if status, _, err := user.call("POST", "/api/users/signup", `{"email":"a@example.com","password":"secret"}`); status != 201 {
				t.Fatal(status, err)
			}
		}
		var answered atomic.Int64
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() { user.writeUntilKilled(t, round, versions[w], &answered) })
		}
		deadline := time.Now().Add(time.Minute)
		for answered.Load() < 400 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		writing.Wait()
		_ = cmd.Wait()
		t.Logf("round %d: killed after %d answers", round, answered.Load())
	}
	user.base = gatewayURL.FindStringSubmatch(start(t, program(t, dir)))[1]
	for w := range writers {
		for id, version := range versions[w] {
			user.checkTicket(t, id, version)
		}
	}
}

// writeUntilKilled creates tickets and changes each a few times, and notes what was answered.
func (c *client) writeUntilKilled(t *testing.T, round int, versions map[string]int, answered *atomic.Int64) {
	for n := 0; ; n++ {
		status, ticket, err := c.call("POST", "/api/tickets", `{"title":"concert","price":10}`)
		for change := 1; err == nil; change++ {
			if status != 201 && status != 200 {
				t.Errorf("answered %d", status)
				return
			}
			versions[ticket.ID] = ticket.Version
			answered.Add(1)
			if change > 3 {
				break
			}
			body := fmt.Sprintf(`{"title":"round %d, %d, change %d","price":%d.5}`, round, n, change, change)
			status, ticket, err = c.call("PUT", "/api/tickets/"+ticket.ID, body)
		}
		if err != nil {
			return // killed
		}
	}
}

// checkTicket finds the ticket at no less than the version that was answered (one more change may have
// been stored without an answer), and orders at the same.
func (c *client) checkTicket(t *testing.T, id string, version int) {
	t.Helper()
	status, ticket, err := c.call("GET", "/api/tickets/"+id, "")
	if err != nil || status != 200 || ticket.Version < version || ticket.Version > version+1 {
		t.Errorf("ticket %s: %d, %v, version %d; answered was %d", id, status, err, ticket.Version, version)
		return
	}
	deadline := time.Now().Add(time.Minute)
	for {
		status, order, err := c.call("POST", "/api/orders", fmt.Sprintf(`{"ticketId":%q}`, id))
		if err == nil && status == 201 && order.Ticket.Version == ticket.Version {
			return
		}
		if err != nil || (status != 201 && status != 404) || time.Now().After(deadline) {
			t.Errorf("order of %s: %d, %v, at version %d of %d", id, status, err, order.Ticket.Version, ticket.Version)
			return
		}
		if status == 201 {
			c.call("DELETE", "/api/orders/"+order.ID, "") // too soon: orders has not seen the last version
		}
		time.Sleep(5 * time.Millisecond)
	}
}
