package local

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
)

// gateway brings requests to the services by the same paths as the Kubernetes ingress, to the members of
// one service in turn.
type gateway struct {
	mu     sync.RWMutex
	routes map[string][]*upstream // by path prefix
	turn   atomic.Uint64
}

// upstream is one member's handler. Removing it waits for the requests it is answering.
type upstream struct {
	handler http.Handler
	running sync.WaitGroup
}

func newGateway() *gateway { return &gateway{routes: map[string][]*upstream{}} }

func (g *gateway) add(prefix string, h http.Handler) *upstream {
	g.mu.Lock()
	defer g.mu.Unlock()
	u := &upstream{handler: h}
	g.routes[prefix] = append(slices.Clone(g.routes[prefix]), u)
	return u
}

// remove sends the member no more requests and waits until it has answered those it has.
func (g *gateway) remove(prefix string, u *upstream) {
	g.mu.Lock()
	g.routes[prefix] = slices.DeleteFunc(slices.Clone(g.routes[prefix]), func(other *upstream) bool { return other == u })
	g.mu.Unlock()
	u.running.Wait()
}

// take chooses the member for a path, by the longest prefix; nil if the path is no service's. The caller calls
// running.Done.
func (g *gateway) take(path string) (u *upstream, found bool) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	longest := ""
	for prefix := range g.routes {
		if len(prefix) > len(longest) && (path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/")) {
			longest = prefix
		}
	}
	members, found := g.routes[longest]
	if len(members) == 0 {
		return nil, found
	}
	u = members[g.turn.Add(1)%uint64(len(members))]
	u.running.Add(1)
	return u, true
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u, found := g.take(r.URL.Path)
	switch {
	case !found:
		httpapi.WriteProblem(w, fault.New(fault.NotFound, "there is nothing at this path"))
	case u == nil:
		httpapi.WriteProblem(w, fault.New(fault.Unavailable, "no replica of this service is running"))
	default:
		defer u.running.Done()
		u.handler.ServeHTTP(w, r)
	}
}
