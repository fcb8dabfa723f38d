package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"ticketing/pkg/app"
)

// backlog asks how many events are on their way: waiting in an outbox, or with the broker and not finished by
// a group.
type backlog struct {
	admin  string
	books  app.Books
	client *http.Client
}

func newBacklog(adminURL, monitorURL string) (*backlog, error) {
	books, err := app.BusConfig{NATSMonitorURL: monitorURL}.OpenBooks()
	if err != nil {
		return nil, fmt.Errorf("monitoring of the broker: %w", err)
	}
	return &backlog{admin: adminURL, books: books, client: &http.Client{Transport: &http.Transport{}, Timeout: answerTimeout}}, nil
}

func (b *backlog) close() {
	b.client.CloseIdleConnections()
	b.books.Close()
}

// count is how many events are on their way now. Of the members of orders it knows the outbox of the first only.
func (b *backlog) count(ctx context.Context) (events float64, err error) {
	for _, service := range []string{"tickets", "orders"} {
		waiting, err := b.outbox(ctx, service)
		if err != nil {
			return 0, fmt.Errorf("metrics of %s: %w", service, err)
		}
		events += waiting
	}
	channels, err := b.books.Channels(ctx)
	if err != nil {
		return 0, fmt.Errorf("lag of the groups: %w", err)
	}
	for _, c := range channels {
		for _, d := range c.Durables {
			events += float64(c.Lag(d))
		}
	}
	return events, nil
}

func (b *backlog) outbox(ctx context.Context, service string) (waiting float64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.admin+"/"+service+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	res, err := b.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("answered %s", res.Status)
	}
	return readMetric(res.Body, "ticketing_outbox_waiting")
}

// readMetric finds the value of a metric without labels in Prometheus' text format.
func readMetric(text io.Reader, name string) (float64, error) {
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("%s is not shown", name)
}
