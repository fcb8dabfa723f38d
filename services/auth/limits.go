package auth

import (
	"net/http"
	"net/netip"
	"time"

	"ticketing/pkg/fault"
	"ticketing/pkg/httpapi"
	"ticketing/pkg/ratelimit"
)

// Limits say how often people may sign up or in, each try of either counting as one. The tags are for the
// programs that read them from the environment.
//
// An address is limited to what a crowd behind one gateway needs, which is also less than half of what two
// processors can hash (password.go), so that one address cannot keep all others out. An account is limited to what
// guessing a password must not get: the price is that who keeps trying with somebody's e-mail makes its owner
// wait for seconds, too.
type Limits struct {
	// Address limits the tries from one address, for IPv6 from one /64, which is what a household gets. The
	// zero Rate stands for DefaultAddressLimit.
	Address ratelimit.Rate `envconfig:"SIGNIN_LIMIT_ADDRESS"`
	// Account limits the tries with one e-mail, whether or not it has an account. The zero Rate stands for
	// DefaultAccountLimit.
	Account ratelimit.Rate `envconfig:"SIGNIN_LIMIT_ACCOUNT"`
	// TrustedProxies are the gateways whose X-Forwarded-For tells the address. Behind one that is not
	// named here, everybody has its address, and its limit.
	TrustedProxies httpapi.TrustedProxies `envconfig:"TRUSTED_PROXIES"`
}

// DefaultAddressLimit is 300 tries at once and 5 a second.
func DefaultAddressLimit() ratelimit.Rate { return ratelimit.Rate{Tries: 300, Per: time.Minute} }

// DefaultAccountLimit is 10 tries at once and one every 6 seconds.
func DefaultAccountLimit() ratelimit.Rate { return ratelimit.Rate{Tries: 10, Per: time.Minute} }

// remembered is how many addresses, and how many accounts, are remembered: some megabytes. Whoever wants to have
// one forgotten, for ten new tries with it, pays for that with 20,000 others.
const remembered = 20_000

// limits decides who may try now. It may be used concurrently.
type limits struct {
	addresses, accounts *ratelimit.Limiter
	proxies             httpapi.TrustedProxies
}

func newLimits(given Limits, now func() time.Time) (*limits, error) {
	if given.Address == (ratelimit.Rate{}) {
		given.Address = DefaultAddressLimit()
	}
	if given.Account == (ratelimit.Rate{}) {
		given.Account = DefaultAccountLimit()
	}
	addresses, err := ratelimit.New(given.Address, remembered, now)
	if err != nil {
		return nil, err
	}
	accounts, err := ratelimit.New(given.Account, remembered, now)
	if err != nil {
		return nil, err
	}
	return &limits{addresses: addresses, accounts: accounts, proxies: given.TrustedProxies}, nil
}

// admit counts a try, before it costs anything, and refuses it with a TooMany fault where it is one too many. An
// address that is refused uses up no tries of the account.
func (l *limits) admit(r *http.Request, email string) error {
	if wait, ok := l.addresses.Allow(network(l.proxies.ClientAddr(r))); !ok {
		return fault.TooOften(wait, "Too many attempts from this address, try again later")
	}
	if wait, ok := l.accounts.Allow(email); !ok {
		return fault.TooOften(wait, "Too many attempts with this email, try again later")
	}
	return nil
}

// network is what has one limit: an IPv4 address, or the IPv6 network of one household.
func network(addr netip.Addr) string {
	if addr.Is6() {
		if prefix, err := addr.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return addr.String()
}
