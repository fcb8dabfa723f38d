package stan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ticketing/pkg/bus"
	"ticketing/pkg/bus/stan/stanlimits"
)

const (
	monitorTimeout = 5 * time.Second
	monitorPage    = 500
)

// Monitor reads the broker's HTTP monitoring. It needs no connection to the bus and registers no client.
// Its methods may be called concurrently.
type Monitor struct {
	url  string
	http *http.Client
}

// NewMonitor returns the monitoring at url, for instance http://127.0.0.1:8222. An error means that url is
// wrong; nothing is asked yet. With an empty url every question is answered with bus.ErrUnavailable.
func NewMonitor(url string) (*Monitor, error) {
	if url != "" {
		if err := checkURL(url, "http", "https"); err != nil {
			return nil, fmt.Errorf("monitoring URL: %w", err)
		}
	}
	// A transport of its own, so that its idle connections end with it.
	client := &http.Client{Timeout: monitorTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
	return &Monitor{url: url, http: client}, nil
}

// Close ends the connections that are kept for the next question.
func (m *Monitor) Close() { m.http.CloseIdleConnections() }

// channelz and its list are the parts of /streaming/channelsz that are used here.
type channelz struct {
	Name          string          `json:"name"`
	Messages      uint64          `json:"msgs"`
	Bytes         uint64          `json:"bytes"`
	FirstSeq      uint64          `json:"first_seq"`
	LastSeq       uint64          `json:"last_seq"`
	Subscriptions []subscriptionz `json:"subscriptions"`
}

type subscriptionz struct {
	QueueName    string `json:"queue_name"` // "durable:group" where durable
	IsDurable    bool   `json:"is_durable"`
	IsOffline    bool   `json:"is_offline"`
	LastSent     uint64 `json:"last_sent"`
	PendingCount uint64 `json:"pending_count"`
}

type channelszPage struct {
	Count    int        `json:"count"`
	Total    int        `json:"total"`
	Channels []channelz `json:"channels"`
}

// Channels implements bus.Inspector.
func (m *Monitor) Channels(ctx context.Context) ([]bus.Channel, error) {
	var all []bus.Channel
	for offset := 0; ; {
		var page channelszPage
		query := url.Values{"subs": {"1"}, "offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(monitorPage)}}
		if err := m.ask(ctx, query, &page); err != nil {
			return nil, fmt.Errorf("read channels: %w", err)
		}
		for _, z := range page.Channels {
			all = append(all, z.channel())
		}
		offset += page.Count
		if page.Count == 0 || offset >= page.Total {
			return all, nil
		}
	}
}

// Channel implements bus.Inspector.
func (m *Monitor) Channel(ctx context.Context, name string) (bus.Channel, error) {
	if err := stanlimits.CheckChannel(name); err != nil {
		return bus.Channel{}, err
	}
	var z channelz
	err := m.ask(ctx, url.Values{"subs": {"1"}, "channel": {name}}, &z)
	switch {
	case errors.Is(err, errNoChannel):
		return bus.Channel{Name: name}, nil
	case err != nil:
		return bus.Channel{}, fmt.Errorf("read channel %s: %w", name, err)
	}
	return z.channel(), nil
}

// errNoChannel: the broker has no such channel yet.
var errNoChannel = errors.New("no such channel")

// ask decodes one page of the monitoring. A broker without the channel says so in words; any other "not
// found" comes from something that is no NATS Streaming server, and must not pass for an empty channel.
func (m *Monitor) ask(ctx context.Context, query url.Values, into any) error {
	if m.url == "" {
		return fmt.Errorf("%w: no monitoring URL is configured", bus.ErrUnavailable)
	}
	address := strings.TrimRight(m.url, "/") + "/streaming/channelsz?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("ask the monitoring: %w", err)
	}
	resp, err := m.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		words, err := io.ReadAll(io.LimitReader(resp.Body, 1024))
		if err == nil && resp.StatusCode == http.StatusNotFound && strings.HasPrefix(string(words), "Channel ") {
			return errNoChannel
		}
		return fmt.Errorf("%w: the monitoring answers %s", bus.ErrUnavailable, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("%w: decode the monitoring's answer: %w", bus.ErrUnavailable, err)
	}
	return nil
}

// channel adds up the members of each durable group. A group without members is listed once, offline.
func (z channelz) channel() bus.Channel {
	ch := bus.Channel{
		Name: z.Name, Messages: z.Messages, Bytes: z.Bytes, FirstSeq: z.FirstSeq, LastSeq: z.LastSeq,
	}
	groups := make(map[string]bus.Durable)
	for _, sub := range z.Subscriptions {
		durable, group, both := strings.Cut(sub.QueueName, ":")
		if !sub.IsDurable || !both {
			continue
		}
		d := groups[sub.QueueName]
		d.Name, d.Group = durable, group
		d.LastSent = max(d.LastSent, sub.LastSent)
		d.Pending += sub.PendingCount
		if !sub.IsOffline {
			d.Members++
		}
		groups[sub.QueueName] = d
	}
	for _, d := range groups {
		ch.Durables = append(ch.Durables, d)
	}
	slices.SortFunc(ch.Durables, func(a, b bus.Durable) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Name, b.Name))
	})
	return ch
}
