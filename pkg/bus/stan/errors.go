package stan

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	stango "github.com/nats-io/stan.go"

	"ticketing/pkg/bus"
)

// duplicateClient is what the broker answers where another connection has the client id.
const duplicateClient = "stan: clientID already registered"

// connectReason says, for people, what a failed attempt to connect lacks.
func connectReason(cfg Config, err error) string {
	switch {
	case err.Error() == duplicateClient:
		return fmt.Sprintf("client id %q is in use by another connection to cluster %q", cfg.ClientID, cfg.ClusterID)
	case errors.Is(err, nats.ErrAuthorization):
		return fmt.Sprintf("the broker at %s refuses the credentials, or asks for some", cfg.redactedURL())
	case errors.Is(err, nats.ErrNoServers):
		return fmt.Sprintf("no NATS server answers at %s", cfg.redactedURL())
	case errors.Is(err, stango.ErrConnectReqTimeout):
		return fmt.Sprintf("no cluster %q answers at %s", cfg.ClusterID, cfg.redactedURL())
	default:
		return fmt.Sprintf("cannot connect to %s: %v", cfg.redactedURL(), err)
	}
}

// notPublished puts a failed publish in the port's words.
func notPublished(channel string, err error) error {
	if errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("publish to %s: %w", channel, err) // no retry can help it
	}
	return fmt.Errorf("publish to %s: %w: %w", channel, bus.ErrUnavailable, err)
}
