.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help dev build web generate lint verify test bench crash soak clean example-node example-go example-react

TOOL := go tool -modfile=tools.mod

# Arguments for the program or for go test: make dev ARGS='--help', make test PACKAGES=./internal/billing ARGS='-run Renewal'.
ARGS ?=
PACKAGES ?= ./...
# The packages to test under the race detector, of those in PACKAGES: make test RACE='./internal/webhook ./jobs'.
RACE ?=

# The pages that the binary embeds, and what they are made of.
PAGES := web/dist/graphiql.html
SOURCES := $(shell find web/src web/test web/*.html web/*.ts web/*.json -type f)

# What runs with Node.js: the pages' build, and programs of the tests.
PACKAGED := web cmd/portico/testdata/receiver cmd/portico/testdata/tokens graph/testdata/audits graph/testdata/live examples/node examples/react conformance
INSTALLED := $(PACKAGED:%=%/node_modules/.installed)
GENERATED := ^// Code generated .* DO NOT EDIT\.$$

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

dev: ## Run everything in one process, with a private Postgres and demo data
	@if ! command -v npm >/dev/null; then echo "npm is missing: /graphiql will say how to build it"; \
		else $(MAKE) --no-print-directory web || echo "the pages could not be built: Portico starts without them"; fi
	go run ./cmd/portico dev $(ARGS)

build: $(PAGES) ## Build bin/portico
	go build -trimpath -o bin/portico ./cmd/portico

web: $(PAGES) ## Build the pages that the binary embeds, such as the playground (needs Node.js 20 with npm)

$(PAGES): web/node_modules/.installed $(SOURCES)
	npm run --silent --prefix web build

generate: ## Generate db/ from the queries and graph/ from the schema
	$(TOOL) sqlc generate
	@# sqlc leaves behind the code of a query file that is gone.
	@for code in db/*.sql.go; do test -e "db/queries/$$(basename "$$code" .go)" || rm -fv "$$code"; done
	$(TOOL) gqlgen generate
	go run ./graph/internal/lean graph/generated.go

lint: ## Check the format, go vet and the house rules in .golangci.yml
	@unformatted=$$(find . -name node_modules -prune -o -name '*.go' -exec gofmt -l {} +) && \
		if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(TOOL) golangci-lint run

verify: lint generate ## Lint, generate again and fail where that changes what git has (staged or committed)
	@git rev-parse --is-inside-work-tree >/dev/null
	@drift=$$( \
		for file in $$(git diff --name-only -- graph db); do \
			git show ":$$file" | grep -q '$(GENERATED)' && git diff --stat -- "$$file" | head -1; \
		done; \
		for file in $$(git ls-files --others --exclude-standard -- graph db); do \
			grep -q '$(GENERATED)' "$$file" && echo " $$file | not in git"; \
		done; true); \
	if [ -n "$$drift" ]; then \
		echo "Generated code differs from what git has. It is in the tree now: look at it, stage it, run again."; \
		echo "$$drift"; exit 1; \
	fi

ifeq ($(RACE),)
TESTS := go test $(ARGS) $(PACKAGES)
else
TESTS := sh -ec 'raced=$$(go list $(RACE)); all=$$(go list $(PACKAGES)); status=0; \
	go test -race $(ARGS) $$raced || status=1; \
	echo "$$all" | grep -vxF "$$raced" | xargs -r go test $(ARGS) || status=1; \
	exit $$status'
endif

test: $(INSTALLED) $(PAGES) ## Run the tests against one private Postgres
	go run ./db/dbtest/cluster -- $(TESTS)

$(INSTALLED): %/node_modules/.installed: %/package.json %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund
	@mkdir -p $(@D) && touch $@

# One case or several: make bench CASE=sweep, make bench CASE=access,launch ARGS=-quick
CASE ?=

bench: ## Measure the budgets of docs/performance.md on a private Postgres with fsync
	go run ./bench -case '$(CASE)' $(ARGS)

crash: ## Kill workers, then Postgres, at random moments and prove that nothing is lost or doubled
	go run ./bench/crash $(ARGS)

soak: ## Publish thousands of events, kill workers and receivers at random moments and prove that every event arrives
	go run ./bench/crash -mode deliveries -kills 100 -for 5m $(ARGS)

# Flags for examples/setup: make example-node SETUP='-url http://127.0.0.1:8081 -port 3010'
SETUP ?=

example-node: examples/node/node_modules/.installed ## Run the example product in Node.js beside `make dev`
	@settings=$$(go run ./examples/setup $(SETUP) node) && env $$settings npm start --silent --prefix examples/node

example-go: ## Run the example product in Go beside `make dev`
	@settings=$$(go run ./examples/setup $(SETUP) go) && env $$settings go run ./examples/go

example-react: examples/react/node_modules/.installed ## Run the example page in React beside `make dev`
	@settings=$$(go run ./examples/setup $(SETUP) react) && env $$settings npm start --silent --prefix examples/react

clean: ## Remove what make has built or installed; the data of make dev stays
	rm -rf bin web/dist/* examples/react/dist examples/react/src/gql bench/peers/node_modules $(PACKAGED:%=%/node_modules)
