# `make help` is the map of what can be done.
EVENTS ?=
FILES ?=
ROWS ?=
KILLS ?= 100
DROPS ?= 500
MUTATIONS ?= 100000
FAULTS ?=
ROUNDS ?=
FUZZTIME ?= 20s
BUDGET ?=
LOAD_SECONDS ?=
TABLES ?=
STATEMENTS ?=

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.PHONY: build
build: ## bin/lakeward
	go build -o bin/lakeward .

.PHONY: test
test: ## every test that takes minutes, not hours
	./test/run.sh

.PHONY: test-long
test-long: ## the tests that `make test` leaves out because each takes minutes, and its scripts with the race detector
	GORACE=atexit_sleep_ms=0 go test -race -timeout 30m ./test/scripts
	./test/interop/setup.sh && GORACE=atexit_sleep_ms=0 LAKEWARD_REQUIRE_INTEROP=1 go test -race -timeout 30m \
		-run 'TestRealFilesLandOnceAsTheyWere|TestTheStateIsAFunctionOfTheWindows|TestOperationsOfARealLakeFail' ./test/realdata ./pipeline ./ingest

.PHONY: lint
lint: ## vet, golangci-lint and govulncheck, with the versions that CI uses
	./test/lint.sh

.PHONY: docs
docs: ## regenerate what docs/ takes from the code, NOTICE and the tables of ARCHITECTURE.md
	go run ./internal/docgen
	go run ./internal/notice
	go test ./test/imports -update

.PHONY: demo
demo: ## a month of events with planted attacks, and what is found in them
	go run . demo --once

.PHONY: chaos
chaos: ## kill the daemon KILLS times, half at a step of a commit (by strace), and its workers, half in a promotion, while events are published and pipelines run
	KILLS=$(KILLS) go run ./test/lab chaos

.PHONY: standby
standby: ## take the daemon that commits away ROUNDS (default 8) times: killed, paused, cut off, ended; CATALOG=postgres or sqlite
	LAKEWARD_REQUIRE_POSTGRES=1 ROUNDS=$(or $(ROUNDS),8) CATALOG=$(or $(CATALOG),postgres) go run ./test/lab standby

.PHONY: memory
memory: ## everything at once within BUDGET (default 512MiB) for LOAD_SECONDS (default 12), then SIGTERM
	BUDGET=$(BUDGET) LOAD_SECONDS=$(LOAD_SECONDS) TABLES=$(TABLES) go run ./test/lab memory

.PHONY: hostile
hostile: ## STATEMENTS (default all) that end, outgrow or outlast what computes them, asked by a reader within BUDGET (default 1GiB), and in pipelines
	STATEMENTS=$(STATEMENTS) BUDGET=$(BUDGET) go run ./test/lab hostile

.PHONY: faults
faults: ## fail each operation of the disk in turn, while files are merged and removed, and while they are committed
	FAULTS=all go test -count=1 -run AnyOperation -v ./compact
	go test -count=1 -run EveryFailure ./tiers/lake

.PHONY: disk-faults
disk-faults: ## run the daemon on disks that fill up, become read-only or answer EIO (FAULTS=all: each place by itself); as root
	FAULTS=$(FAULTS) ROUNDS=$(ROUNDS) go run ./test/lab disks

.PHONY: powerloss
powerloss: ## lose the power at POINTS (default 1000) random moments of a lake's life
	POINTS=$(or $(POINTS),1000) go run ./test/lab powerloss

.PHONY: catalog-drops
catalog-drops: ## drop the connection to a PostgreSQL catalog at COMMIT, DROPS times
	LAKEWARD_REQUIRE_POSTGRES=1 DROPS=$(DROPS) go test -count=1 -v -run DroppedAtCommit ./tiers/lake

.PHONY: mutations
mutations: ## damage data files MUTATIONS times; each must be noticed before a query opens the file
	MUTATIONS=$(MUTATIONS) go run ./test/lab mutations

.PHONY: bench-verify
bench-verify: ## bytes a second of verifying files, and what it adds to the first query of a process
	go test -run '^$$' -bench 'Verif|FirstQuery' ./tiers/lake ./test/lab/mutations

.PHONY: bench-ingest
bench-ingest: ## drain EVENTS (default 2000000) into committed tables, against its yardsticks; MAPPING=windows: what a mapping costs
	EVENTS=$(EVENTS) MAPPING=$(MAPPING) go run -pgo=default.pgo ./test/bench/ingest

.PHONY: pgo
pgo: ## profile an ingest of EVENTS (default 2000000) anew, by which the compiler optimises the program
	profile=$$(mktemp -d) && EVENTS=$(EVENTS) go run -pgo=default.pgo ./test/bench/ingest -profile $$profile && cp $$profile/serve.cpu default.pgo && rm -r $$profile

.PHONY: bench-query
bench-query: ## what workers cost: warm SELECT 1, a large result, a pipeline over EVENTS (default 1000000), each against an engine in the same process
	EVENTS=$(EVENTS) go run ./test/bench/query

.PHONY: bench-pipelines
bench-pipelines: ## the shipped pipelines over EVENTS (default 20000000), against hand-written SQL
	EVENTS=$(EVENTS) go run ./test/bench/pipelines

.PHONY: bench-lookup
bench-lookup: ## look up users and addresses among ROWS (default 50000000) merged sign-ins, against DuckDB over plain files; LAKE=directory keeps them for the next run
	ROWS=$(ROWS) LAKE=$(LAKE) go run ./test/bench/lookup

.PHONY: bench-plan
bench-plan: ## plan the merges of a table of FILES (default 1000000) small files
	FILES=$(FILES) go run ./test/bench/plan

.PHONY: bench-freshness
bench-freshness: ## RATE (default 20000) events a second for SECONDS (60): how long until each can be queried
	RATE=$(RATE) SECONDS=$(SECONDS) go run ./test/lab freshness

.PHONY: bench-poison
bench-poison: ## EVENTS (default 500000) messages, one in a hundred broken: kept with which reason, and what it costs
	EVENTS=$(EVENTS) REPEATS=$(REPEATS) go run ./test/lab poison

.PHONY: realdata
realdata: ## publish every file below DIR at once, as it is and shuffled (SEED): each event is in the lake once, or in quarantine
	./test/interop/setup.sh && DIR="$(DIR)" SEED=$(SEED) go run ./test/lab realdata

.PHONY: redelivery
redelivery: ## EVENTS (default 50000) published ten times over, shuffled, with RESTARTS (12) of the daemon, then to two streams: stored once
	EVENTS=$(EVENTS) RESTARTS=$(RESTARTS) go run ./test/lab redelivery

.PHONY: soak
soak: ## half of the top rate for MINUTES (default 240): growth of memory, goroutines and files; events lost or repeated
	MINUTES=$(MINUTES) go run ./test/lab soak

.PHONY: interop
interop: ## PyIceberg and DuckDB read the same tables
	./test/interop/setup.sh && LAKEWARD_REQUIRE_INTEROP=1 go test -count=1 ./test/interop/...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each
	FUZZTIME=$(FUZZTIME) ./test/fuzz.sh
