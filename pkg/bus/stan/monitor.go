package stan

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ticketing/pkg/bus"
)

const (
	monitorTimeout = 5 * time.Second
	monitorPage    = 500
)

func monitorClient() *http.Client {
	// A transport of its own, so that its idle connections end with the Conn.
	return &http.Client{Timeout: monitorTimeout, Transport: &http.Transport{Proxy: http.ProxyFromEnvironment}}
}

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
func (c *Conn) Channels(ctx context.Context) ([]bus.Channel, error) {
	var all []bus.Channel
	for offset := 0; ; {
		var page channelszPage
		query := url.Values{"subs": {"1"}, "offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(monitorPage)}}
		if _, err := c.monitor(ctx, query, &page); err != nil {
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
func (c *Conn) Channel(ctx context.Context, name string) (bus.Channel, error) {
	if err := bus.CheckChannel(name); err != nil {
		return bus.Channel{}, err
	}
	var z channelz
	found, err := c.monitor(ctx, url.Values{"subs": {"1"}, "channel": {name}}, &z)
	if err != nil {
		return bus.Channel{}, fmt.Errorf("read channel %s: %w", name, err)
	}
	if !found {
		return bus.Channel{Name: name}, nil
	}
	return z.channel(), nil
}

// monitor decodes one page of the broker's monitoring. It reports false for what does not exist.
func (c *Conn) monitor(ctx context.Context, query url.Values, into any) (bool, error) {
	if c.cfg.MonitorURL == "" {
		return false, fmt.Errorf("%w: no monitoring URL is configured", bus.ErrUnavailable)
	}
	address := strings.TrimRight(c.cfg.MonitorURL, "/") + "/streaming/channelsz?" + query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return false, fmt.Errorf("ask the monitoring: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false, fmt.Errorf("%w: %w", bus.ErrUnavailable, err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return false, nil
	default:
		return false, fmt.Errorf("%w: the monitoring answers %s", bus.ErrUnavailable, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return false, fmt.Errorf("%w: decode the monitoring's answer: %w", bus.ErrUnavailable, err)
	}
	return true, nil
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
