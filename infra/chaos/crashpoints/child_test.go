package crashpoints

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"

	"ticketing/infra/chaos/check"
	"ticketing/infra/chaos/diary"
	"ticketing/infra/chaos/inspect"
	"ticketing/pkg/app"
	"ticketing/pkg/identity"
	"ticketing/pkg/store"
	"ticketing/services/orders"
	"ticketing/services/tickets"
)

// roleVariable makes this binary a child that runs one of the services.
const roleVariable = "CRASHPOINTS_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		app.Main(role, func(ctx context.Context, log *slog.Logger) error { return runChild(ctx, role, log) })
	}
	if err := moreWorlds(); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// moreWorlds lets two worlds run for each CPU, unless -parallel says otherwise: half of the time they wait for a disk.
func moreWorlds() error {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if given {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
}

// childConfig is that of the services' own programs, and the trap.
type childConfig struct {
	app.ServiceConfig
	app.SessionConfig
	// Trap is set from the start, "<point> <pass>".
	Trap string `envconfig:"CRASHPOINTS_TRAP"`
	// AcksEarly plants a bug.
	AcksEarly bool `envconfig:"CRASHPOINTS_ACKS_EARLY"`
}

// runChild is the main function of every service's program, with a trap between the service and its ports.
func runChild(ctx context.Context, role string, log *slog.Logger) error {
	cfg, err := app.LoadConfig[childConfig]()
	if err != nil {
		return err
	}
	sessions, err := cfg.Sessions()
	if err != nil {
		return err
	}
	set := &trap{}
	if cfg.Trap != "" {
		if err := set.set(cfg.Trap); err != nil {
			return err
		}
	}
	return cfg.Serve(ctx, role, log, func(ctx context.Context, ports app.Ports) (app.Service, error) {
		service, err := newService(ctx, role, trappedDatabase{ports.Store, set}, trappedBus{ports.Bus, set, cfg.AcksEarly}, sessions, log)
		return trappedService{service, role, ports.Store, set}, err
	})
}

func newService(ctx context.Context, role string, db store.Database, conn orders.Bus, sessions *identity.Sessions, log *slog.Logger) (app.Service, error) {
	switch role {
	case roleTickets:
		return tickets.New(ctx, tickets.Deps{Store: db, Bus: conn, Sessions: sessions, Log: log, Now: time.Now})
	case roleOrders:
		return orders.New(ctx, orders.Deps{Store: db, Bus: conn, Sessions: sessions, Log: log, Now: time.Now})
	case roleDiary:
		return diary.New(ctx, diary.Deps{Store: db, Bus: conn, Log: log, Now: time.Now})
	}
	return nil, fmt.Errorf("no role %q", role)
}

// trappedService also answers for its trap, its hand and its books, on the admin listener.
type trappedService struct {
	app.Service
	role string
	db   store.Database
	trap *trap
}

func (s trappedService) AdminRoutes(admin chi.Router) {
	if service, ok := s.Service.(app.Operated); ok {
		service.AdminRoutes(admin)
	}
	admin.Post("/trap", func(w http.ResponseWriter, r *http.Request) {
		if err := s.trap.set(r.URL.Query().Get("set")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	admin.Get("/hand", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s.trap.hand.count()) })
	admin.Get("/books", func(w http.ResponseWriter, r *http.Request) {
		read := map[string]func(context.Context, store.Database) (check.Books, error){
			roleTickets: inspect.Tickets, roleOrders: inspect.Orders, roleDiary: inspect.Diary,
		}[s.role]
		books, err := read(r.Context(), s.db)
		if err == nil {
			err = json.NewEncoder(w).Encode(books)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}
