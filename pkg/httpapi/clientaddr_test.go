package httpapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ticketing/pkg/httpapi"
)

func trusted(t testing.TB, networks string) httpapi.TrustedProxies {
	t.Helper()
	var proxies httpapi.TrustedProxies
	if err := proxies.UnmarshalText([]byte(networks)); err != nil {
		t.Fatal(err)
	}
	return proxies
}

func TestClientAddr(t *testing.T) {
	for _, tt := range []struct {
		name      string
		trusted   string
		peer      string
		forwarded []string
		want      string
	}{
		{"nobody in front", "", "192.0.2.1:1234", nil, "192.0.2.1"},
		{"a client that lies", "", "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"},
		{"a client that lies to a trusting service", "10.0.0.0/8", "192.0.2.1:1234", []string{"198.51.100.7"}, "192.0.2.1"},
		{"behind a gateway", "10.0.0.0/8", "10.1.2.3:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		{"a lie behind a gateway", "10.0.0.0/8", "10.1.2.3:1234", []string{"203.0.113.9, 198.51.100.7"}, "198.51.100.7"},
		{"a trusted address as a lie", "10.0.0.0/8", "10.1.2.3:1234", []string{"10.9.9.9, 198.51.100.7"}, "198.51.100.7"},
		{"behind two gateways", "10.0.0.0/8,172.16.0.1", "10.1.2.3:1234", []string{"203.0.113.9, 198.51.100.7, 172.16.0.1"}, "198.51.100.7"},
		{"behind two gateways, in lines", "10.0.0.0/8,172.16.0.1", "10.1.2.3:1234", []string{"198.51.100.7", "172.16.0.1"}, "198.51.100.7"},
		{"nothing but gateways", "10.0.0.0/8", "10.1.2.3:1234", []string{"10.4.5.6, 10.7.8.9"}, "10.4.5.6"},
		{"a gateway that names nobody", "10.0.0.0/8", "10.1.2.3:1234", nil, "10.1.2.3"},
		{"a gateway that names no address", "10.0.0.0/8", "10.1.2.3:1234", []string{"198.51.100.7, unknown"}, "10.1.2.3"},
		{"with ports", "10.0.0.0/8", "10.1.2.3:1234", []string{"198.51.100.7:80"}, "198.51.100.7"},
		{"IPv6", "fd00::/8", "[fd00::1]:1234", []string{"[2001:db8::7]:80"}, "2001:db8::7"},
		{"IPv6 without a port", "fd00::/8", "[fd00::1]:1234", []string{"2001:db8::7"}, "2001:db8::7"},
		{"IPv4 in IPv6", "10.0.0.0/8", "[::ffff:10.1.2.3]:1234", []string{"::ffff:198.51.100.7"}, "198.51.100.7"},
		{"a zone", "fe80::/10", "[fe80::1%eth0]:1234", []string{"198.51.100.7"}, "198.51.100.7"},
		{"no address at all", "10.0.0.0/8", "@", []string{"198.51.100.7"}, "invalid IP"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.RemoteAddr = tt.peer
			r.Header["X-Forwarded-For"] = tt.forwarded
			if got := trusted(t, tt.trusted).ClientAddr(r); got.String() != tt.want {
				t.Errorf("ClientAddr = %v, want %s", got, tt.want)
			}
		})
	}
}

func TestTrustedProxiesReads(t *testing.T) {
	got := trusted(t, " 10.1.2.3/8, 192.0.2.1,,fd00::/8,2001:db8::1 ")
	want := []string{"10.0.0.0/8", "192.0.2.1/32", "fd00::/8", "2001:db8::1/128"}
	var shown []string
	for _, network := range got {
		shown = append(shown, network.String())
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := trusted(t, ""); got != nil {
		t.Errorf("nothing is %v, want nil", got)
	}
}

func TestTrustedProxiesRefuses(t *testing.T) {
	for _, text := range []string{"gateway", "10.0.0.0/33", "10.0.0.0-10.0.0.9", "10.0.0.1:80", "*", "10.0.0.0/8 fd00::/8", "fe80::1%eth0"} {
		var proxies httpapi.TrustedProxies
		if err := proxies.UnmarshalText([]byte("192.0.2.1," + text)); err == nil || !strings.Contains(err.Error(), text) || proxies != nil {
			t.Errorf("%q = %v, %v, want an error that names it", text, proxies, err)
		}
	}
}

// FuzzClientAddr: whatever a client writes, the answer is the connection's own address where that is not
// trusted, and otherwise one that was written by the proxy that is.
func FuzzClientAddr(f *testing.F) {
	for _, forwarded := range []string{"", "198.51.100.7", "a, b", ",,", "10.0.0.1, 198.51.100.7", "[2001:db8::7]:80", "::ffff:10.0.0.1"} {
		f.Add(forwarded)
	}
	proxies := trusted(f, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, forwarded string) {
		r := &http.Request{RemoteAddr: "192.0.2.1:1234", Header: http.Header{"X-Forwarded-For": {forwarded}}}
		if got := proxies.ClientAddr(r); got != netip.MustParseAddr("192.0.2.1") {
			t.Fatalf("a stranger's %q makes it %v", forwarded, got)
		}
		r.RemoteAddr = "10.0.0.1:1234"
		r.Header.Add("X-Forwarded-For", "198.51.100.7") // what the proxy adds
		if got := proxies.ClientAddr(r); got != netip.MustParseAddr("198.51.100.7") {
			t.Fatalf("%q behind a proxy makes it %v", forwarded, got)
		}
	})
}
