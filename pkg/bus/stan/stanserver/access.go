package stanserver

import (
	natsd "github.com/nats-io/nats-server/v2/server"
	stand "github.com/nats-io/nats-streaming-server/server"
	"github.com/nats-io/nats.go"
)

// secure makes the NATS server demand what is configured, and the streaming part, which is a client of it,
// comply.
func (cfg Config) secure(opts *stand.Options, nats *natsd.Options) {
	nats.Username, nats.Password, nats.Authorization = cfg.User, cfg.Password, cfg.Token
	files := cfg.TLS
	if files == (TLS{}) {
		return
	}
	nats.TLS, nats.TLSVerify = true, files.VerifyClients
	nats.TLSCert, nats.TLSKey, nats.TLSCaCert = files.Cert, files.Key, files.CA
	opts.Secure, opts.ClientCA = true, files.CA
	if files.VerifyClients {
		opts.ClientCert, opts.ClientKey = files.Cert, files.Key
	}
}

// clientOptions are what a client of this server needs to be let in.
func (cfg Config) clientOptions() []nats.Option {
	var options []nats.Option
	if cfg.User != "" {
		options = append(options, nats.UserInfo(cfg.User, cfg.Password))
	}
	if cfg.Token != "" {
		options = append(options, nats.Token(cfg.Token))
	}
	if cfg.TLS.CA != "" {
		options = append(options, nats.RootCAs(cfg.TLS.CA))
	}
	if cfg.TLS.VerifyClients {
		options = append(options, nats.ClientCert(cfg.TLS.Cert, cfg.TLS.Key))
	}
	return options
}
