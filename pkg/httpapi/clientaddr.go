package httpapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// TrustedProxies are the networks of the gateways in front of this process: only their word on where a request
// comes from is taken, as anybody can write a header. Nil trusts nobody.
//
//	client ──> gateway ──> ingress ──> us     X-Forwarded-For: client, gateway
//	  └── the answer, where gateway and ingress are trusted
type TrustedProxies []netip.Prefix

// UnmarshalText reads networks separated by commas: "10.0.0.0/8, fd00::/8". An address by itself is a network of
// one. Nothing at all is nobody.
func (t *TrustedProxies) UnmarshalText(text []byte) error {
	var networks TrustedProxies
	for given := range strings.SplitSeq(string(text), ",") {
		given = strings.TrimSpace(given)
		if given == "" {
			continue
		}
		network, err := parseNetwork(given)
		if err != nil {
			return fmt.Errorf(`%q is no network such as "10.0.0.0/8"`, given)
		}
		networks = append(networks, network)
	}
	*t = networks
	return nil
}

func parseNetwork(given string) (netip.Prefix, error) {
	if strings.Contains(given, "/") {
		network, err := netip.ParsePrefix(given)
		return network.Masked(), err
	}
	addr, err := netip.ParseAddr(given)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("no address: %w", err)
	}
	return addr.Unmap().Prefix(addr.Unmap().BitLen())
}

// ClientAddr is the address a request comes from: the nearest one that is not a trusted proxy, going from
// the connection itself back through X-Forwarded-For. Where a trusted proxy names nobody, or what is no
// address, it is that proxy's own. An IPv4 address within IPv6 is given as IPv4. The result is the zero
// Addr only where the connection has none.
func (t TrustedProxies) ClientAddr(r *http.Request) netip.Addr {
	nearest, _ := parseHop(r.RemoteAddr)
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && t.contains(nearest); i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			break
		}
		nearest = hop
	}
	return nearest
}

func (t TrustedProxies) contains(addr netip.Addr) bool {
	for _, network := range t {
		if network.Contains(addr) {
			return true
		}
	}
	return false
}

// parseHop reads an address with or without a port, as gateways write both.
func parseHop(given string) (netip.Addr, bool) {
	given = strings.TrimSpace(given)
	if withPort, err := netip.ParseAddrPort(given); err == nil {
		return withPort.Addr().Unmap().WithZone(""), true
	}
	addr, err := netip.ParseAddr(given)
	return addr.Unmap().WithZone(""), err == nil
}
