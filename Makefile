# Every target runs on a fresh machine with Go and make, unless its line says what else it takes.
.SHELLFLAGS := -euc
.DEFAULT_GOAL := help

# Releases that were tried with this code; go run fetches them.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.7.0
VULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0
STRIPEMOCK  := github.com/stripe/stripe-mock@v0.203.0
GREMLINS    := github.com/go-gremlins/gremlins/cmd/gremlins@v0.6.0

# -race needs a C compiler. RACE=yes demands it (CI), RACE=no leaves it out.
RACE      ?= auto
CC_FOUND  := $(shell command -v "$$(go env CC)" 2>/dev/null)
FUZZTIME  ?= 30s
PACKAGES  ?= ./...
WIRESERVER := build/wireserver

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## the whole system in one process, on loopback; data in .data
	@mkdir -p bin
	@go build -o bin/ticketing ./infra/local/cmd/ticketing
	@exec bin/ticketing

.PHONY: test
test: ## all tests, with -race where there is a C compiler, and the coverage of each package
	@mkdir -p build
	@race=""; case "$(RACE)" in \
	no)  echo "tests without -race, as RACE=no says";; \
	yes) [ -n "$(CC_FOUND)" ] || { echo "RACE=yes, but there is no C compiler"; exit 1; }; race=-race;; \
	*)   [ -z "$(CC_FOUND)" ] || race=-race;; esac; \
	if [ -n "$$race" ]; then echo "tests with -race ($(CC_FOUND) found)"; \
	elif [ "$(RACE)" = auto ]; then echo "tests without -race: no C compiler found"; fi; \
	go test $$race -coverprofile build/cover.out $(PACKAGES)
	@go tool cover -func build/cover.out | awk '/^total:/ {print "coverage in total: " $$NF}'

.PHONY: lint
lint: vulncheck ## gofmt, go vet, staticcheck, go.mod and go.sum
	@unformatted=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); \
	[ -z "$$unformatted" ] || { echo "not gofmt'ed:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	go vet -tags node,e2e,browser ./...
	go run $(STATICCHECK) ./...
	go mod tidy -diff
	go mod verify
	cd pkg/store/mongo/wireserver && go vet ./... && go mod verify

.PHONY: vulncheck
vulncheck: ## known vulnerabilities in what is called, where the database at vuln.go.dev can be reached
	@if out=$$(go run $(VULNCHECK) ./... 2>&1); then echo "govulncheck: nothing known"; else \
	case "$$out" in \
	*"govulncheck: fetching vulnerabilities"*) echo "govulncheck NOT RUN, its database cannot be reached: $$(echo "$$out" | grep fetching)";; \
	*) echo "$$out"; exit 1;; esac; fi

.PHONY: fuzz
fuzz: ## every decoder and every HTTP body fuzzed for FUZZTIME (30s) each; finds stay as tests
	@.ci/fuzz.sh $(FUZZTIME)

.PHONY: mutate
mutate: ## which changes of an operator in PKG (./pkg/outbox) its tests do not notice; report in build/mutate
	@.ci/mutate.sh $(GREMLINS) $(or $(PKG),./pkg/outbox)

.PHONY: bench
bench: ## the measurements of the README, as a table and in build/bench.json; FULL=1 takes all, QUICK=1 less of it
	@mkdir -p build
	go run ./infra/bench $(if $(FULL),-full) $(if $(QUICK),-events 100000 -tickets 10000 -posts 20000 -reactions 20000 -reaction-tickets 2000)

.PHONY: load
load: ## requests at rising rates until the system saturates, and what does so first; LOAD has flags (infra/load)
	@mkdir -p build
	go run ./infra/load -json build/load.json $(LOAD)

.PHONY: build
build: ## the programs, stripped, in bin/
	@mkdir -p bin
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/ ./services/*/cmd/* ./infra/local/cmd/ticketing ./infra/busctl
	@ls -l bin | awk 'NR > 1 {printf "  %-10s %6.1f MB\n", $$NF, $$5 / 1000000}'

.PHONY: test-mongo
test-mongo: ## the MongoDB adapter and the crash points against MONGO_URI, or else a stand-in that takes minutes to build
	@if [ -n "$${MONGO_URI:-}" ]; then go test -count 1 -timeout 20m ./pkg/store/mongo ./infra/chaos/crashpoints; exit; fi; \
	(cd pkg/store/mongo/wireserver && go build -o $(CURDIR)/$(WIRESERVER) .); \
	dir=$$(mktemp -d); out=$$(mktemp); \
	$(WIRESERVER) -dir "$$dir" > "$$out" & pid=$$!; \
	trap 'kill $$pid; wait $$pid || true; rm -rf "$$dir" "$$out"' EXIT; \
	until grep -q '^MONGO_URI=' "$$out"; do kill -0 $$pid; sleep 0.1; done; \
	env "$$(cat "$$out")" go test -count 1 -timeout 20m ./pkg/store/mongo ./infra/chaos/crashpoints

.PHONY: test-stripe
test-stripe: ## what is sent to Stripe against its own stand-in, which knows the specification; ports 12111 and 12112
	@GOBIN=$(CURDIR)/build go install $(STRIPEMOCK); \
	build/stripe-mock -http-addr 127.0.0.1:12111 -https-addr 127.0.0.1:12112 > build/stripe-mock.log & pid=$$!; \
	trap 'kill $$pid; wait $$pid || true' EXIT; \
	until grep -q '127.0.0.1:12111' build/stripe-mock.log; do kill -0 $$pid; sleep 0.1; done; \
	STRIPE_MOCK_URL=http://127.0.0.1:12111 go test -count 1 ./pkg/payment/stripe

.PHONY: chaos
chaos: ## kills, pauses, cuts and poison for MINUTES (1) per profile; SEED replays; report in build/chaos.json
	go run ./infra/chaos -minutes $(or $(MINUTES),1) -seed $(or $(SEED),0)

.PHONY: test-node
test-node: ## the Node.js version's services and the tutorial's scripts beside ours; takes node and npm, ports 4222 and 8222
	for dir in tutorial node; do (cd infra/local/$$dir && npm install --no-package-lock --no-audit --no-fund --loglevel error); done
	go test -count 1 -tags node -run 'TestTheTutorialsScripts|Node' ./infra/local

.PHONY: test-browser
test-browser: ## two people and one ticket on the pages, with axe-core; takes chromium, node and npm; SCREENSHOTS is a folder
	cd infra/browser && npm install --no-package-lock --no-audit --no-fund --loglevel error
	go test -count 1 -tags browser -timeout 20m ./infra/browser

.PHONY: secrets
secrets: ## fill the Secrets of the cluster of the current kubeconfig with random values; takes kubectl
	infra/k8s/secrets.sh

.PHONY: e2e
e2e: ## the end-to-end test on the cluster of the current kubeconfig; takes kubectl and skaffold
	go test -count 1 -tags e2e -timeout 40m -v ./infra/e2e

.PHONY: clean-data
clean-data: ## forget everything that make run has stored in DATA_DIR (.data)
	@dir="$${DATA_DIR:-.data}"; cd "$$dir" 2>/dev/null || exit 0; \
	rm -rf nats auth.db tickets.db orders.db payments.db expiration.db jwt.key; \
	cd - >/dev/null; rmdir "$$dir" 2>/dev/null || echo "$$dir has other files, which stay"
