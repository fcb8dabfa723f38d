package crashpoints

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/go-chi/chi/v5"
	"go.uber.org/goleak"

	"ticketing/infra/chaos/check"
	"ticketing/infra/chaos/diary"
	"ticketing/infra/chaos/inspect"
	"ticketing/pkg/payment"
	"ticketing/pkg/payment/testcards"
	"ticketing/pkg/service"
	"ticketing/pkg/store"
	"ticketing/services/expiration"
	"ticketing/services/orders"
	"ticketing/services/payments"
	"ticketing/services/tickets"
)

// roleVariable makes this binary a child that runs one of the services.
const roleVariable = "CRASHPOINTS_ROLE"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		service.Main(role, build(role))
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

// childConfig is what a child is told besides what its service's own program is.
type childConfig struct {
	Orders   orders.Config
	Payments payments.Config
	// Trap is set from the start, "<point> <pass>".
	Trap string `envconfig:"CRASHPOINTS_TRAP"`
	// AcksEarly plants a bug.
	AcksEarly bool `envconfig:"CRASHPOINTS_ACKS_EARLY"`
}

// build builds a service with a trap between it and its ports. On the admin listener it also answers for its trap, its
// hand and its books.
func build(role string) service.Build[childConfig] {
	return func(ctx context.Context, s *service.Service, cfg childConfig) error {
		set := &trap{}
		if cfg.Trap != "" {
			if err := set.set(cfg.Trap); err != nil {
				return err
			}
		}
		s.AdminRoutes(adminRoutes(role, s.Store, set))
		s.Store, s.Bus = trappedDatabase{s.Store, set}, trappedBus{s.Bus, set, cfg.AcksEarly}
		switch role {
		case roleTickets:
			return tickets.New(ctx, s, tickets.Config{})
		case roleOrders:
			return orders.New(ctx, s, cfg.Orders)
		case rolePayments:
			return payments.New(testProvider)(ctx, s, cfg.Payments)
		case roleExpiration:
			return expiration.New(ctx, s, expiration.Config{})
		case roleDiary:
			return diary.New(ctx, s, diary.Config{})
		}
		return fmt.Errorf("no role %q", role)
	}
}

func testProvider(ctx context.Context, s *service.Service) (payment.Provider, error) {
	return testcards.Open(ctx, s.Store)
}

func adminRoutes(role string, db store.Database, set *trap) func(chi.Router) {
	return func(admin chi.Router) {
		admin.Post("/trap", func(w http.ResponseWriter, r *http.Request) {
			if err := set.set(r.URL.Query().Get("set")); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})
		admin.Get("/hand", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, set.hand.count()) })
		admin.Get("/money", func(w http.ResponseWriter, r *http.Request) {
			kept, err := inspect.Money(r.Context(), db)
			if err == nil {
				err = json.NewEncoder(w).Encode(kept)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
		admin.Get("/books", func(w http.ResponseWriter, r *http.Request) {
			read := map[string]func(context.Context, store.Database) (check.Books, error){
				roleTickets: inspect.Tickets, roleOrders: inspect.Orders, roleDiary: inspect.Diary, rolePayments: inspect.Payments, roleExpiration: inspect.Expiration,
			}[role]
			books, err := read(r.Context(), db)
			if err == nil {
				err = json.NewEncoder(w).Encode(books)
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
}
