package httpapi

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// addressedDirectly refuses, with 421, a request whose Host is a DNS name other than localhost.
//
// It stops DNS rebinding: a page of evil.example, whose name now resolves to 127.0.0.1, is of the same origin as
// an admin listener there, and its browser would let it read and change everything. The attack needs a name that
// the attacker controls. Nobody controls an IP address or localhost in that way. Probes and Prometheus use the
// address of the pod, and port-forwards use localhost.
func addressedDirectly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isDirect(r.Host) {
			problemOf(http.StatusMisdirectedRequest, []ProblemError{{
				Message: "use an IP address or localhost, this listener answers to no other name",
			}}).write(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isDirect reports whether host, with or without a port, is an IP address, localhost or a name under it. Browsers
// resolve such names to the loopback address by themselves. No host at all is direct too, as every browser sends one.
func isDirect(host string) bool {
	if host == "" {
		return true
	}
	name := (&url.URL{Host: host}).Hostname()
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = strings.TrimSuffix(strings.ToLower(name), ".")
	return name == "localhost" || strings.HasSuffix(name, ".localhost")
}
