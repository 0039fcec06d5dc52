# `make help` is the map of what can be done.
EVENTS ?=
KILLS ?= 100
MUTATIONS ?= 100000
FUZZTIME ?= 20s

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.PHONY: build
build: ## bin/lakeward
	go build -o bin/lakeward .

.PHONY: test
test: ## every test that takes minutes, not hours
	./test/run.sh

.PHONY: lint
lint: ## vet, golangci-lint and govulncheck, with the versions that CI uses
	./test/lint.sh

.PHONY: docs
docs: ## regenerate what docs/ takes from the code
	go run ./internal/docgen

.PHONY: demo
demo: ## a month of events with planted attacks, and what is found in them
	go run . demo --once

.PHONY: chaos
chaos: ## kill the daemon KILLS times while events are published
	KILLS=$(KILLS) go run ./test/chaos

.PHONY: mutations
mutations: ## damage data files MUTATIONS times; each must be noticed before a query opens the file
	MUTATIONS=$(MUTATIONS) go run ./test/mutations

.PHONY: bench-verify
bench-verify: ## bytes a second of verifying files, and what it adds to the first query of a process
	go test -run '^$$' -bench 'Verif|FirstQuery' ./tiers/lake ./test/mutations

.PHONY: bench-ingest
bench-ingest: ## drain EVENTS (default 2000000) into committed tables, against its yardsticks
	EVENTS=$(EVENTS) go run ./test/bench/ingest

.PHONY: bench-pipelines
bench-pipelines: ## the shipped pipelines over EVENTS (default 20000000), against hand-written SQL
	EVENTS=$(EVENTS) go run ./test/bench/pipelines

.PHONY: interop
interop: ## PyIceberg and DuckDB read the same tables
	./test/interop/setup.sh && LAKEWARD_REQUIRE_INTEROP=1 go test -count=1 ./test/interop/...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME each
	FUZZTIME=$(FUZZTIME) ./test/fuzz.sh
