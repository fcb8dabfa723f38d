package stan_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"ticketing/pkg/bus/stan"
	"ticketing/pkg/bus/stan/stanserver"
)

// authority is a CA of the test's own, in files.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	// CA is the file with its certificate.
	CA string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.CA, _ = a.sign("ca", template)
	return a
}

// issue makes a certificate for 127.0.0.1, good for servers and clients.
func (a *authority) issue(name string) (cert, key string) {
	a.t.Helper()
	return a.sign(name, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// sign writes a certificate, which is the authority's own where there is none yet, and its key.
func (a *authority) sign(name string, template *x509.Certificate) (certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.check(err)
	if a.cert == nil {
		a.cert, a.key = template, key
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	a.check(err)
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	a.check(err)
	return a.write(name+".pem", "CERTIFICATE", cert), a.write(name+".key", "PRIVATE KEY", secret)
}

func (a *authority) write(name, kind string, content []byte) string {
	a.t.Helper()
	file := filepath.Join(a.dir, name)
	a.check(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600))
	return file
}

func (a *authority) check(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

// page takes log lines of several goroutines.
type page struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *page) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(line)
}

func (p *page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

func (p *page) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(p, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// attempt is one way to connect: with no reason it must succeed, else fail and go on trying.
type attempt struct {
	name        string
	credentials stan.Credentials
	tls         stan.TLSFiles
	reason      string // part of what Health and the log must say
}

// checkAttempts connects in every way to a broker, and finds no secret in what either side has logged.
func checkAttempts(t *testing.T, demand stanserver.Config, attempts []attempt) {
	t.Helper()
	var serverLog page
	demand.Logger = serverLog.logger()
	b := startBroker(t, demand)
	for _, tt := range attempts {
		t.Run(tt.name, func(t *testing.T) {
			var log page
			cfg := b.config("services", b.Addr())
			cfg.Credentials, cfg.TLS = tt.credentials, tt.tls
			conn, err := stan.Open(cfg, log.logger())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(soon(t))
			if tt.reason == "" {
				if err := conn.Connected(soon(t)); err != nil {
					t.Fatalf("not connected: %v", err)
				}
				if err := conn.Publish(soon(t), "ticket:created", []byte("{}")); err != nil {
					t.Errorf("publish: %v", err)
				}
			} else {
				poll(t, tt.reason, func() bool { return strings.Contains(conn.Health().Reason, tt.reason) })
				if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), tt.reason) {
					t.Errorf("the log does not tell: %s", log.String())
				}
				if conn.Health().Connected {
					t.Error("connected all the same")
				}
			}
			checkHidden(t, log.String()+conn.Health().Reason)
		})
	}
	checkHidden(t, serverLog.String())
}

func checkHidden(t *testing.T, log string) {
	t.Helper()
	for _, secret := range []string{"hidden-word", "hidden-token", "wrong-word", "wrong-token"} {
		if strings.Contains(log, secret) {
			t.Errorf("%s is shown: %s", secret, log)
		}
	}
}

func TestCredentials(t *testing.T) {
	t.Parallel()
	const refused = "refuses the credentials"
	good := stan.Credentials{User: "services", Password: "hidden-word"}
	t.Run("user and password", func(t *testing.T) {
		checkAttempts(t, stanserver.Config{User: "services", Password: "hidden-word", Dir: t.TempDir()}, []attempt{
			{"right", good, stan.TLSFiles{}, ""},
			{"wrong password", stan.Credentials{User: "services", Password: "wrong-word"}, stan.TLSFiles{}, refused},
			{"wrong user", stan.Credentials{User: "another", Password: "hidden-word"}, stan.TLSFiles{}, refused},
			{"token", stan.Credentials{Token: "hidden-word"}, stan.TLSFiles{}, refused},
			{"none", stan.Credentials{}, stan.TLSFiles{}, refused},
			{"right again", good, stan.TLSFiles{}, ""},
		})
	})
	t.Run("token", func(t *testing.T) {
		checkAttempts(t, stanserver.Config{Token: "hidden-token"}, []attempt{
			{"right", stan.Credentials{Token: "hidden-token"}, stan.TLSFiles{}, ""},
			{"wrong", stan.Credentials{Token: "wrong-token"}, stan.TLSFiles{}, refused},
			{"none", stan.Credentials{}, stan.TLSFiles{}, refused},
		})
	})
	t.Run("a broker that asks for none", func(t *testing.T) {
		checkAttempts(t, stanserver.Config{}, []attempt{{"some", good, stan.TLSFiles{}, ""}})
	})
}

func TestTLS(t *testing.T) {
	t.Parallel()
	ours, other := newAuthority(t), newAuthority(t)
	cert, key := ours.issue("broker")
	clientCert, clientKey := ours.issue("services")
	otherCert, otherKey := other.issue("services")
	token := stan.Credentials{Token: "hidden-token"}
	server := stanserver.TLS{Cert: cert, Key: key, CA: ours.CA}

	t.Run("of the broker", func(t *testing.T) {
		checkAttempts(t, stanserver.Config{TLS: server, Token: "hidden-token"}, []attempt{
			{"our CA", token, stan.TLSFiles{CA: ours.CA}, ""},
			{"another CA", token, stan.TLSFiles{CA: other.CA}, "certificate"},
			{"the system's CAs", token, stan.TLSFiles{}, "certificate"},
			{"our CA, wrong token", stan.Credentials{Token: "wrong-token"}, stan.TLSFiles{CA: ours.CA}, "refuses the credentials"},
		})
	})
	server.VerifyClients = true
	t.Run("of both", func(t *testing.T) {
		checkAttempts(t, stanserver.Config{TLS: server}, []attempt{
			{"a certificate", stan.Credentials{}, stan.TLSFiles{CA: ours.CA, Cert: clientCert, Key: clientKey}, ""},
			{"another's certificate", stan.Credentials{}, stan.TLSFiles{CA: ours.CA, Cert: otherCert, Key: otherKey}, "certificate"},
			{"no certificate", stan.Credentials{}, stan.TLSFiles{CA: ours.CA}, "certificate"},
		})
	})
	t.Run("a broker without", func(t *testing.T) {
		checkAttempts(t, stanserver.Config{}, []attempt{
			{"is not talked to in the clear", stan.Credentials{}, stan.TLSFiles{CA: ours.CA}, "secure connection not available"},
		})
	})
}

func TestTheServerChecksWhatItDemands(t *testing.T) {
	for name, cfg := range map[string]stanserver.Config{
		"token and user":    {Token: "hidden-token", User: "u", Password: "hidden-word"},
		"password, no user": {Password: "hidden-word"},
		"TLS without a key": {TLS: stanserver.TLS{Cert: "cert.pem", CA: "ca.pem"}},
		"TLS without files": {TLS: stanserver.TLS{Cert: "none.pem", Key: "none.key", CA: "none.pem"}},
	} {
		cfg.ClusterID = "test"
		server, err := stanserver.Start(cfg)
		if err == nil {
			server.Shutdown()
			t.Errorf("%s: it started", name)
			continue
		}
		checkHidden(t, err.Error())
	}
}
