package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"

	"ticketing/infra/chaos/check"
	"ticketing/infra/chaos/inspect"
	"ticketing/infra/chaos/load"
	"ticketing/pkg/app"
	"ticketing/pkg/bus"
	"ticketing/pkg/identity"
	"ticketing/pkg/store"
	"ticketing/pkg/store/bolt"
	"ticketing/pkg/store/mongo"
)

// runProfile starts a system, breaks it, lets it settle and checks it. An error means that the run could not be
// made; broken promises are in the report.
func runProfile(ctx context.Context, profile string, o options, p programs) (r profileReport, err error) {
	fmt.Printf("\nprofile %s\n", profile)
	dir, err := filepath.Abs(filepath.Join(o.dir, "chaos", profile))
	if err != nil {
		return r, err
	}
	if err := emptyDir(dir); err != nil {
		return r, err
	}
	s, err := newSystem(profile, dir, p)
	defer func() { err = errors.Join(err, s.close()) }()
	if err != nil {
		return r, err
	}
	starting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.start(starting); err != nil {
		return r, err
	}
	conn, err := app.BusConfig{
		NATSURL: "nats://" + s.broker, NATSMonitorURL: "http://" + s.monitor, NATSClusterID: clusterID, NATSClientID: "nemesis",
	}.Open(slog.New(slog.DiscardHandler))
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, app.CloseBus(conn)) }()
	crowd, err := newLoad(profile, s, o.seed)
	if err != nil {
		return r, err
	}
	defer crowd.Close()
	if err := crowd.Probe(starting); err != nil {
		return r, fmt.Errorf("before the first fault: %w", err)
	}

	n := &nemesis{system: s, schedule: newSchedule(o.seed, s.targets()), load: crowd, bus: conn, faults: map[faultKind]int{}}
	if err := underLoad(ctx, crowd, func() error { return n.run(ctx, o.length()) }); err != nil {
		return r, err
	}
	evidence, err := settle(ctx, profile, s, conn, n, crowd)
	if err != nil {
		return r, err
	}
	return reportOf(ctx, profile, s, conn, n, evidence)
}

// newLoad is as many clients as the profile's store bears: the stand-in for mongod takes one write at a time
// and reads whole collections, which grow: with three times as many requests it is what everybody waits for after
// ten minutes.
func newLoad(profile string, s *system, seed uint64) (*load.Load, error) {
	sessions, err := identity.NewSessions([]byte(jwtKey), 24*time.Hour, time.Now)
	if err != nil {
		return nil, err
	}
	cfg := load.Config{
		Tickets: s.tickets, Orders: s.orders, Payments: s.payments, Sessions: sessions, Timeout: 5 * time.Second, Seed: seed,
		Clients: 12, Pause: 50 * time.Millisecond, InUse: 24, PerTicket: 60,
	}
	if profile == profileMongo {
		cfg.Clients, cfg.Pause, cfg.InUse = 4, 900*time.Millisecond, 4
	}
	return load.New(cfg)
}

// underLoad runs do while the crowd sends requests.
func underLoad(ctx context.Context, crowd *load.Load, do func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		crowd.Run(ctx)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	return do()
}

const checkSettles = "services stop and start in order"

// settle lets the services finish what is on its way, and reads the books while they are stopped, because a bolt
// file has one process. Where something is still on its way they are started again, until nothing is or the
// time for it is over. Before that it waits until the time of all orders is.
func settle(ctx context.Context, profile string, s *system, conn bus.Conn, n *nemesis, crowd *load.Load) (check.Evidence, error) {
	select {
	case <-ctx.Done():
		return check.Evidence{}, ctx.Err()
	case <-time.After(orderWindow):
	}
	for deadline := time.Now().Add(patience); ; {
		if err := awaitNoLag(ctx, conn, deadline); err != nil {
			fmt.Println("still on its way:", err)
		}
		stopping, cancel := context.WithTimeout(ctx, time.Minute)
		err := s.stopServices(stopping)
		cancel()
		if err != nil {
			n.report(checkSettles, profile, err.Error())
		}
		e, err := books(ctx, profile, s)
		if err != nil {
			return e, err
		}
		e.Injected, e.History, e.Began = n.injected, crowd.History(), crowd.Began()
		found := slices.Concat(check.Settled(e), check.Paid(e))
		if len(found) == 0 || time.Now().After(deadline) {
			return e, nil
		}
		fmt.Printf("not settled: %d findings, the first: %.300s\n", len(found), found[0])
		if err := s.startServices(ctx); err != nil {
			return e, err
		}
		select {
		case <-ctx.Done():
			return e, ctx.Err()
		case <-time.After(10 * time.Second): // two AckWaits
		}
	}
}

// awaitNoLag waits until every group has acknowledged everything.
func awaitNoLag(ctx context.Context, conn bus.Conn, deadline time.Time) error {
	for {
		lag, err := lagOf(ctx, conn)
		if err == nil && lag == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(err, fmt.Errorf("%d events are not acknowledged", lag))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func lagOf(ctx context.Context, conn bus.Conn) (lag uint64, err error) {
	channels, err := conn.Channels(ctx)
	for _, channel := range channels {
		for _, durable := range channel.Durables {
			lag += channel.Lag(durable)
		}
	}
	return lag, err
}

// books reads the stores of all services.
func books(ctx context.Context, profile string, s *system) (e check.Evidence, err error) {
	for _, one := range []struct {
		service string
		read    func(context.Context, store.Database) (check.Books, error)
		into    *check.Books
	}{
		{"tickets", inspect.Tickets, &e.Tickets}, {"orders", inspect.Orders, &e.Orders}, {diaryName, inspect.Diary, &e.Diary},
		{"expiration", inspect.Expiration, &e.Expiration},
		{"payments", func(ctx context.Context, db store.Database) (check.Books, error) {
			var err error
			if e.Money, err = inspect.Money(ctx, db); err != nil {
				return check.Books{}, err
			}
			return inspect.Payments(ctx, db)
		}, &e.Payments},
	} {
		db, err := openStore(profile, s, one.service)
		if err != nil {
			return e, err
		}
		*one.into, err = one.read(ctx, db)
		if err := errors.Join(err, db.Close()); err != nil {
			return e, fmt.Errorf("books of %s: %w", one.service, err)
		}
	}
	return e, nil
}

func openStore(profile string, s *system, service string) (store.Database, error) {
	if profile == profileMongo {
		return mongo.Open("mongodb://"+s.mongod+"/", service)
	}
	return bolt.Open(s.boltFile(service))
}

func reportOf(ctx context.Context, profile string, s *system, conn bus.Conn, n *nemesis, e check.Evidence) (profileReport, error) {
	channels, err := conn.Channels(ctx)
	if err != nil {
		return profileReport{}, err
	}
	r := profileReport{
		Profile: profile, Faults: n.faults, Skipped: s.skipped, Requests: len(e.History),
		Tickets: len(e.Tickets.Own), Orders: len(e.Orders.Own), Poison: len(n.injected),
	}
	for _, channel := range channels {
		r.Events += channel.LastSeq
	}
	for _, op := range e.History {
		if op.Done() {
			r.Answered++
		}
	}
	for _, order := range e.Orders.Own {
		if order.Sold {
			r.Paid++
		}
	}
	r.setRecovery(n.recovery)
	r.setFindings(slices.Concat(n.findings, check.All(e), check.Paid(e)))
	return r, nil
}
