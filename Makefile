# Fairlead. `make demo` shows it, `make test` proves it, `make bench` measures it.
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  = -s -w -X main.version=$(VERSION)
SHELL    = bash
.SHELLFLAGS = -euo pipefail -c

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Those that run real servers share the two cores of a small machine: one at a time.
FLEET = ./internal/fleet/... ./internal/demo/... ./internal/bench/... ./internal/e2e/... ./internal/image/... ./internal/chaos/... ./internal/load/... ./deployer/route/...
REST  = $$($(GO) list ./... | grep -v -E '/(internal/(fleet|demo|bench|e2e|image|chaos|load)|deployer/route)(/|$$)')
# Those that need no machine but the CPU.
PURE  = ./release/... ./deployer/plan/... ./deployer/spec/... ./deployer/container/... ./deployer/lock/... \
        ./deployer/policy/... ./deployer/observe/... ./deployer/rollout/... ./deployer/host/ssh/... \
        ./daemon/config/... ./notify/... ./proxy/router/... ./proxy/health/... ./server/... ./watcher/... \
        ./internal/registry/... ./internal/schedule/... ./internal/secret/...
FUZZTIME ?= 30s

.PHONY: build image release demo test lint lint-format lint-vet lint-staticcheck lint-house race fuzz sim bench chaos load deps clean

build: ## the one static program
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='$(LDFLAGS)' -o bin/fairlead ./cmd/fairlead

image: build ## the daemon's container image, for `docker load`; nothing is pulled
	$(GO) run ./internal/image -program bin/fairlead -out dist/fairlead-image.tar

release: ## VERSION=v1.2.3: archives, Debian packages, images and checksums in dist/
	$(GO) run ./internal/packaging/cmd/release -version $(VERSION) -out dist

demo: build ## the product's story on this machine; ONCE=1 ends after the show
	$(GO) build -o bin/demo ./internal/demo
	@ONCE=$(ONCE) FAIRLEAD=bin/fairlead exec bin/demo

deps: ## what the tests need: packages (as root), modules, a Docker engine
	.ci/deps

test: deps ## every test, the real servers included
	{ code=0; \
	  $(GO) test -json -count=1 -p 2 -timeout 25m $(REST) || code=1; \
	  $(GO) test -json -count=1 -timeout 30m ./deployer/sim -run 'RandomSchedules|TwoDeaths' -sim.n=20000 -sim.stride=1 || code=1; \
	  $(GO) test -json -count=1 -p 1 -parallel 3 -timeout 30m $(FLEET) || code=1; \
	  exit $$code; } | \
	  $(GO) run ./internal/features/cmd/testlog -features docs/features.md

lint: lint-format lint-vet lint-staticcheck lint-house ## format, vet, staticcheck, the house's rules

lint-format:
	@bad=$$(gofmt -l .); [ -z "$$bad" ] || { echo "run: gofmt -w" $$bad; exit 1; }

lint-vet:
	$(GO) vet ./...

lint-staticcheck:
	$(GO) run $(STATICCHECK) ./...

lint-house:
	$(GO) test -count=1 ./internal/arch

race: ## the race detector over all that needs no real server
	{ code=0; \
	  $(GO) test -json -race -count=1 -p 2 -timeout 15m $(PURE) || code=1; \
	  $(GO) test -json -race -count=1 -timeout 15m ./store -store.kills=30 || code=1; \
	  $(GO) test -json -race -count=1 -timeout 15m ./deployer/sim -run RandomSchedules || code=1; \
	  exit $$code; } | \
	  $(GO) run ./internal/features/cmd/testlog

fuzz: ## each fuzz target for FUZZTIME, one after another
	@for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$pkg/*_test.go | cut -d' ' -f2); do \
	    echo "=== $$pkg $$target"; \
	    $(GO) test $$pkg -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s; \
	  done; done

N ?= 10000
SEED ?= 1
sim: ## N random schedules of faults from SEED on, every pair of deaths, every set of hosts
	$(GO) test ./deployer/sim -count=1 -timeout 12h -v -run 'RandomSchedules|Death|WhateverHosts' -sim.n=$(N) -sim.seed=$(SEED) -sim.stride=1 | grep -v -E '^ +--- PASS|^=== '

bench: build ## what is promised about speed and cost, measured on real servers; ROWS=regexp for some
	FAIRLEAD=bin/fairlead $(GO) run ./internal/bench -rows '$(ROWS)'

chaos: build ## everything that can go wrong, done to real servers; ROWS=regexp for some
	cd internal/chaos && FAIRLEAD=$(CURDIR)/bin/fairlead $(GO) test -count=1 -timeout 3h -parallel 4 -run TestFaults -args -all -write='$(if $(ROWS),false,true)' -rows '$(ROWS)'

ROLLOUTS ?= 50
REQUESTS ?= 1000000
load: build ## ROLLOUTS, half of them going back, under REQUESTS of which none may fail
	cd internal/load && FAIRLEAD=$(CURDIR)/bin/fairlead $(GO) test -count=1 -timeout 3h -args -rollouts $(ROLLOUTS) -requests $(REQUESTS)

clean:
	rm -rf bin dist
