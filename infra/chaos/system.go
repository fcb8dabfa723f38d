package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ticketing/infra/chaos/process"
	"ticketing/pkg/app"
)

const (
	clusterID = "ticketing"
	jwtKey    = "chaos-chaos-chaos-chaos-chaos-chaos"

	listening  = "listening" // is in the line in which a service says that it is up
	brokerName = "broker"
	mongodName = "mongod"
	diaryName  = "diary"

	// orderWindow is how long an order may stay unpaid: longer than most tickets are in use, and shorter than some.
	orderWindow = 10 * time.Second
)

// system is the programs of one profile, and the links between them.
type system struct {
	dir     string
	network *network
	nodes   []*node // in the order of their start
	disks   map[string]*disk
	skipped []string

	broker, monitor string // the broker's own addresses
	mongod          string
	// The base URLs of services that are called, through links.
	tickets, orders, payments []string
}

// newSystem lays out a profile in an empty dir. Nothing runs before start. The caller must close it, also
// after an error.
func newSystem(profile, dir string, p programs) (*system, error) {
	s := &system{dir: dir, network: newNetwork(), disks: map[string]*disk{}}
	addrs, err := process.FreePorts(3)
	if err != nil {
		return s, err
	}
	s.broker, s.monitor, s.mongod = addrs[0], addrs[1], addrs[2]
	err = s.add(brokerName, p.self, "server is up", roleVariable+"="+roleBroker,
		"CHAOS_ADDR="+s.broker, "CHAOS_MONITOR_ADDR="+s.monitor, "CHAOS_DIR="+filepath.Join(dir, "nats"))
	if err != nil {
		return s, err
	}
	if profile == profileMongo {
		return s, s.layMongo(p)
	}
	return s, s.layBolt(p)
}

// layBolt is one process for each service, with a file of its own; orders has two members in its process.
func (s *system) layBolt(p programs) error {
	for _, one := range []struct{ name, path string }{{"tickets", p.tickets}, {"payments", p.payments}, {"expiration", p.expiration}} {
		m, err := s.member(one.name, one.name)
		if err != nil {
			return err
		}
		if err := s.add(one.name, one.path, listening, append(env(m), "BOLT_FILE="+s.file(one.name))...); err != nil {
			return err
		}
	}
	var pair members
	for _, name := range []string{"orders-1", "orders-2"} {
		m, err := s.member("orders", name)
		if err != nil {
			return err
		}
		pair = append(pair, m)
	}
	list, err := json.Marshal(pair)
	if err != nil {
		return err
	}
	err = s.add("orders", p.self, listening, roleVariable+"="+roleOrders, "CHAOS_MEMBERS="+string(list), "JWT_KEY="+jwtKey,
		"LOG_FORMAT=text", "ORDER_WINDOW="+orderWindow.String(), "BOLT_FILE="+s.file("orders"))
	if err != nil {
		return err
	}
	diary, err := s.member("", diaryName)
	if err != nil {
		return err
	}
	return s.add(diaryName, p.self, listening, append(env(diary), roleVariable+"="+roleDiary, "BOLT_FILE="+s.plainFile(diaryName))...)
}

// layMongo is two processes of each service but the diary, which share a server.
func (s *system) layMongo(p programs) error {
	if err := s.add(mongodName, p.mongod, "MONGO_URI=", "TMPDIR="+s.dir); err != nil {
		return err
	}
	server := s.nodes[len(s.nodes)-1]
	server.spec.Args = []string{"-listen", s.mongod, "-dir", filepath.Join(s.dir, "mongo")}
	if err := os.MkdirAll(filepath.Join(s.dir, "mongo"), 0o700); err != nil {
		return err
	}
	for _, one := range []struct{ service, name, path string }{
		{"tickets", "tickets-1", p.tickets}, {"tickets", "tickets-2", p.tickets},
		{"orders", "orders-1", p.orders}, {"orders", "orders-2", p.orders},
		{"payments", "payments-1", p.payments}, {"payments", "payments-2", p.payments},
		{"expiration", "expiration-1", p.expiration}, {"expiration", "expiration-2", p.expiration},
		{diaryName, diaryName, p.self},
	} {
		m, err := s.member(one.service, one.name)
		if err != nil {
			return err
		}
		addr, err := s.network.connect(one.name+">"+mongodName, s.mongod)
		if err != nil {
			return err
		}
		vars := append(env(m), "MONGO_URI=mongodb://"+addr+"/", "MONGO_DATABASE="+one.service)
		if one.name == diaryName {
			vars = append(vars, roleVariable+"="+roleDiary)
		}
		if err := s.add(one.name, one.path, listening, vars...); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) add(name, path, up string, env ...string) error {
	n, err := newNode(s.dir, name, path, up, env...)
	if err == nil {
		s.nodes = append(s.nodes, n)
	}
	return err
}

// member makes the addresses and links of one member of a service.
func (s *system) member(service, name string) (member, error) {
	addrs, err := process.FreePorts(2)
	if err != nil {
		return member{}, err
	}
	m := member{ListenConfig: app.ListenConfig{HTTPAddr: addrs[0], AdminAddr: addrs[1]}}
	broker, err := s.network.connect(name+">"+brokerName, s.broker)
	if err != nil {
		return member{}, err
	}
	m.BusConfig = app.BusConfig{NATSURL: "nats://" + broker, NATSMonitorURL: "http://" + s.monitor, NATSClusterID: clusterID, NATSClientID: name}
	urls := map[string]*[]string{"tickets": &s.tickets, "orders": &s.orders, "payments": &s.payments}[service]
	if urls == nil {
		return m, nil // nobody calls it
	}
	public, err := s.network.connect("clients>"+name, m.HTTPAddr)
	*urls = append(*urls, "http://"+public)
	return m, err
}

// env is what a service's program is told of a member.
func env(m member) []string {
	return []string{
		"HTTP_ADDR=" + m.HTTPAddr, "ADMIN_ADDR=" + m.AdminAddr, "JWT_KEY=" + jwtKey, "LOG_FORMAT=text",
		"ORDER_WINDOW=" + orderWindow.String(),
		"NATS_URL=" + m.NATSURL, "NATS_MONITOR_URL=" + m.NATSMonitorURL, "NATS_CLUSTER_ID=" + m.NATSClusterID, "NATS_CLIENT_ID=" + m.NATSClientID,
	}
}

// file is a service's database on a disk of its own, or beside the others where there can be none.
func (s *system) file(service string) string {
	dir := filepath.Join(s.dir, service+"-disk")
	d, err := newDisk(dir)
	if err != nil {
		s.skipped = append(s.skipped, fmt.Sprintf("disk full and read-only for %s: %v", service, err))
		return s.plainFile(service)
	}
	s.disks[service] = d
	return filepath.Join(dir, service+".db")
}

func (s *system) plainFile(service string) string { return filepath.Join(s.dir, service+".db") }

// boltFile is where a service's database is.
func (s *system) boltFile(service string) string {
	if d := s.disks[service]; d != nil {
		return filepath.Join(d.dir, service+".db")
	}
	return s.plainFile(service)
}

// targets is what can be broken.
func (s *system) targets() targets {
	t := targets{links: s.network.names()}
	for _, n := range s.nodes {
		t.nodes = append(t.nodes, n.name)
		if n.name != mongodName {
			t.paused = append(t.paused, n.name)
		}
	}
	for service := range s.disks {
		t.disks = append(t.disks, service)
	}
	slices.Sort(t.disks)
	return t
}

func (s *system) node(name string) *node {
	at := slices.IndexFunc(s.nodes, func(n *node) bool { return n.name == name })
	return s.nodes[at]
}

// services are the nodes that have a store.
func (s *system) services() []*node {
	return slices.DeleteFunc(slices.Clone(s.nodes), func(n *node) bool { return n.name == brokerName || n.name == mongodName })
}

func (s *system) start(ctx context.Context) error {
	for _, n := range s.nodes {
		if err := n.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stopServices asks all services to finish and to end.
func (s *system) stopServices(ctx context.Context) error {
	var errs []error
	for _, n := range s.services() {
		errs = append(errs, n.stop(ctx))
	}
	return errors.Join(errs...)
}

func (s *system) startServices(ctx context.Context) error {
	for _, n := range s.services() {
		if err := n.start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (s *system) close() error {
	var errs []error
	for _, n := range slices.Backward(s.nodes) {
		errs = append(errs, n.close())
	}
	s.network.close()
	for _, d := range s.disks {
		errs = append(errs, d.close())
	}
	return errors.Join(errs...)
}

// emptyDir makes a folder anew. What a killed run has left mounted in it is unmounted.
func emptyDir(dir string) error {
	disks, err := filepath.Glob(filepath.Join(dir, "*-disk"))
	if err != nil {
		return err
	}
	for _, disk := range disks {
		_ = unmount(disk) // it may be none
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.MkdirAll(dir, 0o755)
}

// patience is how long an awaited thing may take on a slow, noisy machine.
const patience = 3 * time.Minute
