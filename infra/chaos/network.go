package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// network is the connections between the programs: each link is a proxy that can be made to fail.
type network struct {
	server *toxiproxy.ApiServer // only its settings: nothing listens for its API
	links  map[string]*toxiproxy.Proxy
}

func newNetwork() *network {
	return &network{
		server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()),
		links:  map[string]*toxiproxy.Proxy{},
	}
}

// connect makes a link to an address, host:port, and returns the address to use instead.
func (n *network) connect(name, upstream string) (addr string, err error) {
	proxy := toxiproxy.NewProxy(n.server, name, "127.0.0.1:0", upstream)
	if err := proxy.Start(); err != nil {
		return "", fmt.Errorf("link %s: %w", name, err)
	}
	n.links[name] = proxy
	return proxy.Listen, nil
}

func (n *network) names() []string { return slices.Sorted(maps.Keys(n.links)) }

// fail makes a link fail as the fault says, until heal.
func (n *network) fail(f fault) error {
	link := n.links[f.Target]
	direction := []string{"upstream", "downstream"}[f.Detail%2]
	toxic := ""
	switch f.Kind {
	case faultCut:
		link.Stop()
		return nil
	case faultDelay:
		toxic = fmt.Sprintf(`{"type": "latency", "stream": %q, "attributes": {"latency": %d, "jitter": 100}}`, direction, 100+f.Detail%400)
	case faultHalfOpen:
		toxic = fmt.Sprintf(`{"type": "timeout", "stream": %q, "attributes": {"timeout": 0}}`, direction)
	case faultReset:
		toxic = fmt.Sprintf(`{"type": "reset_peer", "stream": %q, "attributes": {"timeout": %d}}`, direction, f.Detail%50)
	case faultMidway:
		toxic = fmt.Sprintf(`{"type": "limit_data", "stream": %q, "attributes": {"bytes": %d}}`, direction, f.Detail)
	default:
		return fmt.Errorf("%s is no fault of a link", f.Kind)
	}
	if _, err := link.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		return fmt.Errorf("%s: %w", f, err)
	}
	return nil
}

// heal ends the fault of a link.
func (n *network) heal(name string) error {
	link := n.links[name]
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	link.Toxics.ResetToxics(ctx)
	if !link.Enabled {
		if err := link.Start(); err != nil {
			return fmt.Errorf("heal %s: %w", name, err)
		}
	}
	return nil
}

func (n *network) close() {
	for _, link := range n.links {
		link.Stop()
	}
}
