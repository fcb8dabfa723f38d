// Package stanserver runs a NATS Streaming server inside this process, for the local run and for tests,
// with the settings this system needs of any broker:
//
//	nothing is ever dropped by limits      -mm 0 -mb 0 (the defaults drop the oldest events silently)
//	an acknowledged publish is on the disk -file_sync
//	a dead client is forgotten soon        -hbi 5s -hbt 2s -hbf 1
//
// The server library ends the process or panics where it cannot go on; what can be foreseen of that is
// checked before it is started, and turned into an error.
package stanserver

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"

	natsd "github.com/nats-io/nats-server/v2/server"
	stand "github.com/nats-io/nats-streaming-server/server"
	"github.com/nats-io/nats-streaming-server/stores"
	"github.com/nats-io/nats-streaming-server/util"
)

// Server is a running broker.
type Server struct {
	cfg     Config
	stan    *stand.StanServer
	lock    util.LockFile // nil for a memory store
	port    int
	monitor int

	once sync.Once
}

// Start returns when a client can connect, which for a folder with many events means that they have been
// read. A port that is taken and a folder that is in use or cannot be written are told at once. The caller
// must Shutdown what it has started.
func Start(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start NATS Streaming: %w", err)
	}
	s := &Server{cfg: cfg}
	if err := s.start(); err != nil {
		s.Shutdown()
		return nil, fmt.Errorf("start NATS Streaming: %w", err)
	}
	cfg.Logger.Info("NATS Streaming server is up", "url", s.URL(), "monitoring", s.MonitorURL(),
		"cluster", cfg.ClusterID, "dir", cfg.Dir)
	return s, nil
}

func (s *Server) start() error {
	var err error
	if s.lock, err = lockDir(s.cfg.Dir); err != nil {
		return err
	}
	if s.monitor, err = s.monitorPort(); err != nil {
		return err
	}
	if s.cfg.Port != 0 {
		if _, err := probePort(s.cfg.Host, s.cfg.Port); err != nil {
			return err
		}
	}
	opts, nats := s.stanOptions(), s.natsOptions()
	s.cfg.secure(opts, nats)
	s.stan, err = run(opts, nats, s.cfg.Logger)
	if isCutShort(err) {
		s.cfg.Logger.Warn("a crash has cut the last record short; it was never acknowledged and is left out",
			"dir", s.cfg.Dir, "error", err)
		opts.FileStoreOpts.TruncateUnexpectedEOF = true
		s.stan, err = run(opts, nats, s.cfg.Logger)
	}
	if err != nil {
		return err
	}
	s.port = nats.Port // the server has written the one it chose
	return awaitReady(s.URL(), s.cfg)
}

// isCutShort recognizes a file that ends in the middle of a record. The library wraps no error.
func isCutShort(err error) bool {
	return err != nil && strings.Contains(err.Error(), io.ErrUnexpectedEOF.Error())
}

// run starts the library's server and turns its panics into errors.
func run(opts *stand.Options, nats *natsd.Options, lines *slog.Logger) (server *stand.StanServer, err error) {
	log := &logger{log: lines}
	opts.CustomLogger = log
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("the server gave up: %v", reason)
		}
	}()
	server, err = stand.RunServerWithOpts(opts, nats)
	if fatal := log.firstFatal(); err != nil && fatal != "" && !strings.Contains(fatal, err.Error()) {
		// The first fatal line names the cause; the error only says that it did not start.
		return nil, fmt.Errorf("%w: %s", err, fatal)
	}
	return server, err
}

// monitorPort is the port of the monitoring, 0 for none. The library would choose a free one itself but
// does not tell which.
func (s *Server) monitorPort() (int, error) {
	if s.cfg.MonitorPort == NoMonitor {
		return 0, nil
	}
	return probePort(s.cfg.Host, s.cfg.MonitorPort)
}

func (s *Server) natsOptions() *natsd.Options {
	port := s.cfg.Port
	if port == 0 {
		port = natsd.RANDOM_PORT
	}
	return &natsd.Options{
		Host: s.cfg.Host, Port: port,
		HTTPHost: s.cfg.Host, HTTPPort: s.monitor,
		MaxPayload: maxPayload,
		NoSigs:     true,
	}
}

func (s *Server) stanOptions() *stand.Options {
	opts := stand.GetDefaultOptions()
	opts.ID = s.cfg.ClusterID
	opts.HandleSignals = false
	opts.ClientHBInterval = s.cfg.Heartbeat.Interval
	opts.ClientHBTimeout = s.cfg.Heartbeat.Timeout
	opts.ClientHBFailCount = s.cfg.Heartbeat.Failures
	opts.StoreLimits = stores.StoreLimits{} // 0 is no limit, for all of them
	opts.StoreLimits.MaxMsgs = s.cfg.MaxMessages
	opts.StoreType = stores.TypeMemory
	if s.cfg.Dir != "" {
		opts.StoreType = stores.TypeFile
		opts.FilestoreDir = s.cfg.Dir
		opts.FileStoreOpts.DoSync = true
	}
	return opts
}

// URL is where clients connect.
func (s *Server) URL() string {
	return "nats://" + s.address(s.port)
}

// MonitorURL is the base of the HTTP monitoring, empty where it is off.
func (s *Server) MonitorURL() string {
	if s.monitor == 0 {
		return ""
	}
	return "http://" + s.address(s.monitor)
}

func (s *Server) address(port int) string {
	host := s.cfg.Host
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // listening everywhere; this is the way from here
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// Shutdown stops the server and waits until its disk is flushed and its ports are free. Clients see their
// connections end. It may be called more than once.
func (s *Server) Shutdown() {
	s.once.Do(func() {
		if s.stan != nil {
			s.stan.Shutdown()
			s.log(slog.LevelInfo, "NATS Streaming server is down")
		}
		if s.lock != nil {
			if err := s.lock.Close(); err != nil {
				s.log(slog.LevelWarn, "cannot release the folder's lock", "error", err)
			}
		}
	})
}

func (s *Server) log(level slog.Level, line string, args ...any) {
	s.cfg.Logger.Log(context.Background(), level, line, append(args, "cluster", s.cfg.ClusterID)...)
}
