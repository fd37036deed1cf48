# Endcap: every command of the house. `make` alone lists them.
#
# Nothing here needs root. Tools are built once, at the versions pinned in
# tools/go.mod, into .cache/tools.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS   += --no-print-directory

T       ?= 1m
TIMEOUT ?= 40m
DATASET ?=
DATA    ?=
KEEP    ?= 1
BENCH   ?=
KILLS   ?= 200
SEEDS   ?= 1000
SEED    ?=
RECORDS ?= 1000000
GROWN   ?= 5000000
SHOPPERS ?=

# How many shoppers each run of bench-simulate has.
sizes := 10000,100000,1000000

export CGO_ENABLED := 1

# What every test is built with. SQLite's engine is C translated to Go, and each
# connection runs it on one goroutine: the race detector finds nothing there and
# takes five times as long (docs/decisions/sqlite-driver.md). Without debugging
# tables the test programs link in half the time, and stacks are printed all the
# same. make check vets. What calibrates the simulator measures millions of lines on
# one goroutine.
race := -race -vet=off -ldflags=-w '-gcflags=github.com/ncruces/go-sqlite3-wasm/...=-race=false' '-gcflags=endcap/simulate/calibrate=-race=false'

lint := .cache/tools/golangci-lint
vuln := .cache/tools/govulncheck

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build ## load a year of real receipts, replay four weeks live, print the report (DATASET=simulated SHOPPERS=100000 DATA=dir KEEP=0)
	@go build -o bin/endcap-demo ./bench/demo
	@DATASET='$(DATASET)' SHOPPERS='$(SHOPPERS)' DATA='$(DATA)' KEEP='$(KEEP)' scripts/demo.sh

.PHONY: test
test: data ## run every test with the race detector, on the whole of the data (TIMEOUT=40m)
	go test $(race) -shuffle=on -timeout $(TIMEOUT) ./...

.PHONY: bench-ledger
bench-ledger: ## durable charges a second beside bare inserts through the same writer
	go run ./bench/ledger

.PHONY: bench-codes
bench-codes: ## make five million coupon codes, break the job off and let it go on, beside codes drawn by lot and kept in a map
	@go run ./bench/codes

.PHONY: soak
soak: ## kill the program KILLS times under load and count every cent (KILLS=200, ENDCAP_SEED=… repeats)
	ENDCAP_KILLS='$(KILLS)' go test -count=1 -timeout 60m -v -run TestNothingIsLostOrDoubledByKills ./cmd/endcap

.PHONY: faults
faults: ## cut the power of a small house, SEEDS times more, and count what was lost (SEEDS=1000; SEED=n repeats one)
	GODEBUG=asyncpreemptoff=1 go run ./bench/faults $(if $(SEED),-seed '$(SEED)',-seeds '$(SEEDS)')

.PHONY: build
build: ## build bin/endcap
	go build -o bin/ ./cmd/endcap

.PHONY: check
check: check-format check-vet check-lint check-laws ## everything about the code that needs no data: format, vet, lint, floors, source

.PHONY: check-format
check-format: $(lint)
	$(lint) fmt --diff

.PHONY: check-vet
check-vet:
	go vet ./...

.PHONY: check-lint
check-lint: $(lint)
	$(lint) config verify
	$(lint) run

.PHONY: check-laws
check-laws:
	go test .

.PHONY: fix
fix: $(lint) ## format the code, mend what linters can mend, tidy the modules
	$(lint) run --fix --issues-exit-code=0
	$(lint) fmt
	go mod tidy
	cd tools && go mod tidy

.PHONY: vuln
vuln: $(vuln) ## look for known vulnerabilities in what is linked (asks vuln.go.dev)
	$(vuln) ./...

.PHONY: fuzz
fuzz: ## fuzz every decoder and language in turn, each for T (T=1m)
	scripts/fuzz.sh '$(T)'

.PHONY: bench-decide
bench-decide: build data ## measure decisions over HTTP against a bare handler (BENCH=dir; SHOPPERS=1000000 on a simulated house, with freshness under load)
	@go build -o bin/endcap-bench-decide ./bench/decide
	@taskset -c 1 bin/endcap-bench-decide -dir '$(or $(BENCH),data/bench-decide$(if $(SHOPPERS),-$(SHOPPERS)))' -shoppers '$(or $(SHOPPERS),0)'

.PHONY: data
data: ## fetch The Complete Journey and the communes and départements of France into data/ and check their sha256
	@scripts/data.sh
	@scripts/places.sh

.PHONY: bench-ingest
bench-ingest: build data ## lines a second from file to history beside DuckDB's own readers (SHOPPERS=1000000: 60 million lines, 20 GB; rm -r data/bench-ingest-1000000)
	@go run ./bench/ingest $(if $(SHOPPERS),-rounds 3 -shoppers '$(SHOPPERS)')

.PHONY: bench-backup
bench-backup: build data ## back up the demo's data while it is served, and restore it (makes data/bench-backup the first time)
	@test -e data/bench-backup/endcap.json || { go build -o bin/endcap-demo ./bench/demo; DATA=data/bench-backup KEEP=0 scripts/demo.sh; }
	@go run ./bench/backup -dir data/bench-backup

.PHONY: bench-simulate
bench-simulate: build data ## receipt lines a second from nothing to Parquet, and memory by shopper (SHOPPERS=10000,100000,1000000)
	@go run ./bench/simulate -shoppers '$(or $(SHOPPERS),$(sizes))'

.PHONY: bench-offers
bench-offers: ## a basket of 30 lines against 2,000 offers, and how good the choice is (SEARCH=60ms a basket; SEARCH=60s takes hours)
	@go run ./bench/offers -search '$(or $(SEARCH),60ms)'

.PHONY: coverage
coverage: build ## how often reports' intervals hold the planted truth: 20 worlds of 50 campaigns, those kept left out (hours; WORLDS=3 plays 3 more, SHOPPERS=20000)
	@go run ./bench/coverage -worlds '$(or $(WORLDS),20)' -shoppers '$(or $(SHOPPERS),20000)'

.PHONY: bench-related
bench-related: build ## ask The Complete Journey's last weeks what goes together, what is due and what is taken instead
	@go run ./bench/related -data '$(or $(DATA),data)/complete-journey'

.PHONY: bench-consent
bench-consent: build ## withdraw consents from a running house and look for who said no (a minute and a half)
	@go run ./bench/consent

.PHONY: bench-erasure
bench-erasure: build data ## erase one of a million shoppers, and search every file for her (15 GB of disk)
	@go run ./bench/erasure

.PHONY: eval
eval: eval-linkage eval-response eval-proposals ## judge linkage, chances of clicks and proposals where the truth is known (DATA=dir with febrl/, splink-persons/, open-bandit/, nbr/)

.PHONY: eval-linkage
eval-linkage: .cache/splink/.done ## judge linkage where the truth is known, beside Splink (DATA=dir with febrl/ and splink-persons/, RECORDS=1000000 GROWN=5000000)
	@PYTHONPATH=.cache/splink go run ./bench/linkage -records '$(RECORDS)' -grown '$(GROWN)' -data '$(DATA)' -splink bench/linkage/reference.py

.PHONY: eval-response
eval-response: ## judge chances of clicks and purchases where the truth is known (DATA=dir with open-bandit/)
	@go run ./bench/response -data '$(DATA)'

.PHONY: eval-proposals
eval-proposals: .cache/implicit/.done data ## judge proposals by what was bought next, beside ALS and others (DATA=dir with nbr/, SHOPPERS=20000,100000,1000000: simulated houses)
	@PYTHONPATH=.cache/implicit go run ./bench/proposals $(if $(SHOPPERS),-shoppers '$(SHOPPERS)') -data '$(DATA)' -journey data/complete-journey -als bench/proposals/als.py

# Splink and implicit live here alone, at the versions pinned; nothing else sees them.
.cache/splink/.done: bench/linkage/requirements.txt
.cache/implicit/.done: bench/proposals/requirements.txt
.cache/splink/.done .cache/implicit/.done:
	@rm -rf $(@D)
	@python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-input --no-deps --only-binary=:all: --target $(@D) -r $< </dev/null
	@touch $@

.PHONY: tools
tools: $(lint) $(vuln) ## build the pinned tools

$(lint): tools/go.mod tools/go.sum
	@mkdir -p $(@D)
	cd tools && CGO_ENABLED=0 go build -trimpath -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(vuln): tools/go.mod tools/go.sum
	@mkdir -p $(@D)
	cd tools && CGO_ENABLED=0 go build -trimpath -o ../$@ golang.org/x/vuln/cmd/govulncheck

.PHONY: clean
clean: ## remove what was built; data and tools stay
	rm -rf bin
