package stan

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats.go"
)

// Credentials are what a broker asks of those who connect: user and password, or a token, or nothing. They are
// never logged, and have their place here, not in a URL. The tags are for the programs that read them from the
// environment.
//
// The broker's monitoring has no credentials: NATS Streaming cannot ask for any. It shows names and numbers, no
// events, and must be out of the public's reach by other means.
type Credentials struct {
	User     string `envconfig:"NATS_USER"`
	Password string `envconfig:"NATS_PASSWORD"`
	Token    string `envconfig:"NATS_TOKEN"`
}

func (c Credentials) check() error {
	switch {
	case c.Token != "" && (c.User != "" || c.Password != ""):
		return errors.New("NATS credentials: a token and a user or password are given, the broker takes one of the two")
	case (c.User == "") != (c.Password == ""):
		return errors.New("NATS credentials: user and password go together")
	}
	return nil
}

func (c Credentials) options() []nats.Option {
	switch {
	case c.Token != "":
		return []nats.Option{nats.Token(c.Token)}
	case c.User != "":
		return []nats.Option{nats.UserInfo(c.User, c.Password)}
	}
	return nil
}

// TLSFiles are PEM files. With any of them, and with a URL of the scheme tls, the connection is encrypted or not
// made. They are read anew at every attempt to connect, so renewed ones take effect by themselves.
type TLSFiles struct {
	// CA has the authorities that may vouch for the broker. Empty stands for those of the system.
	CA string `envconfig:"NATS_TLS_CA"`
	// Cert and Key are the certificate to show and its key, where the broker asks for one.
	Cert string `envconfig:"NATS_TLS_CERT"`
	Key  string `envconfig:"NATS_TLS_KEY"`
}

// check finds now what would otherwise be tried, and fail, for ever.
func (f TLSFiles) check() error {
	if (f.Cert == "") != (f.Key == "") {
		return errors.New("NATS TLS: certificate and key go together")
	}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return fmt.Errorf("NATS TLS: read the CA: %w", err)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return fmt.Errorf("NATS TLS: there is no certificate in %s", f.CA)
		}
	}
	if f.Cert != "" {
		if _, err := tls.LoadX509KeyPair(f.Cert, f.Key); err != nil {
			return fmt.Errorf("NATS TLS: read certificate and key: %w", err)
		}
	}
	return nil
}

func (f TLSFiles) options() []nats.Option {
	if f == (TLSFiles{}) {
		return nil
	}
	options := []nats.Option{nats.Secure(&tls.Config{MinVersion: tls.VersionTLS12})}
	if f.CA != "" {
		options = append(options, nats.RootCAs(f.CA))
	}
	if f.Cert != "" {
		options = append(options, nats.ClientCert(f.Cert, f.Key))
	}
	return options
}
