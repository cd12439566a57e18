# make run    builds, imports the example supplier, shows what was applied and parked, and serves
# make services       starts a RabbitMQ and a PostgreSQL of the project's own
# make services-stop  ends them
# make test   runs every test
# make race   runs every test with the race detector
# make bench  measures, beside the floors
# make lint   checks
# make static links one file that needs nothing beside it, for images
# make torture  kills, fills disks and cuts power, and looks what is left

.PHONY: build run services services-stop test race needs bench lint fuzz torture mutants clean static lint-deploy

GO      ?= go
TAGS    := sqlite_fts5
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unstamped)
LDFLAGS := -X main.release=$(VERSION)
DATA    ?= data
LISTEN  ?= 127.0.0.1:8080
TOOLS   := $(CURDIR)/.tools
# Tested without the race detector by make test: programs, whose tests mostly
# start processes, and a parser that has no goroutine. Each takes several times as long with it.
UNRACED := ./cmd/... ./examples/... ./connectors/jsonfile

build:
	$(GO) build -tags $(TAGS) -ldflags "$(LDFLAGS)" -o bin/crossdock ./cmd/crossdock

# A file that needs no library and no folder beside it, and is the same whoever
# builds it. The C library's resolver and users would need libraries at hand, so
# that Go's own take their place; SQLite loads no extensions.
static:
	$(GO) build -trimpath -tags '$(TAGS) sqlite_omit_load_extension netgo osusergo' \
		-ldflags "$(LDFLAGS) -s -w -linkmode external -extldflags -static" -o bin/crossdock-static ./cmd/crossdock

# Exit code 3 says that rows were rejected, which the example does on purpose.
run: build
	@bin/crossdock --data $(DATA) run examples/first-light || test $$? -eq 3
	@echo
	@bin/crossdock --data $(DATA) serve --listen $(LISTEN) --pipelines examples/first-light

# A RabbitMQ and a PostgreSQL on loopback, which keep their data in .services.
services: needs
	@$(GO) build -o bin/services ./cmd/services
	@bin/services start

services-stop:
	@$(GO) build -o bin/services ./cmd/services
	@bin/services stop

test: needs
	$(GO) test -timeout 20m -tags $(TAGS) $(UNRACED)
	$(GO) test -race -timeout 20m -tags $(TAGS) $$($(GO) list -tags $(TAGS) ./... | grep -v -e /cmd/ -e /examples -e /connectors/jsonfile)

# The same with the race detector everywhere.
race: needs
	$(GO) test -race -timeout 60m -tags $(TAGS) ./...

# What tests use beside Go: the commands of the README are run as they stand
# there, and stores are tested on PostgreSQL and brokers on RabbitMQ too. Tests
# start a server of their own, and none is made for the system. Who is not root, or not on Debian, is
# told by the tests what was skipped.
needs:
	@command -v curl >/dev/null || test "$$(id -u)" -ne 0 || \
		{ apt-get update -qq && apt-get install -qq -y --no-install-recommends curl; } >/dev/null
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || command -v postgres >/dev/null || \
		test -n "$$CROSSDOCK_TEST_POSTGRES_URL" || test "$$(id -u)" -ne 0 || \
		{ apt-get update -qq && mkdir -p /etc/postgresql-common && \
		  echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf && \
		  apt-get install -qq -y --no-install-recommends postgresql; } >/dev/null
	@ls /usr/lib/rabbitmq/bin/rabbitmq-server >/dev/null 2>&1 || command -v rabbitmq-server >/dev/null || \
		test -n "$$CROSSDOCK_TEST_AMQP_URL" || test "$$(id -u)" -ne 0 || \
		{ made=; test -e /usr/sbin/policy-rc.d || \
		  { made=1; printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; }; \
		  apt-get update -qq && apt-get install -qq -y --no-install-recommends rabbitmq-server; code=$$?; \
		  test -z "$$made" || rm /usr/sbin/policy-rc.d; \
		  systemctl disable rabbitmq-server 2>&1; exit $$code; } >/dev/null

bench: build
	$(GO) build -tags $(TAGS) -o bin/bench ./cmd/bench
	bin/bench -binary bin/crossdock

# KILLS of a run and as many of a server; DISKS that fill up, turn read-only or
# lose power, which needs root. SEED repeats an earlier one. Then EVENTS are
# published while RabbitMQ is killed or stopped STOPS times.
KILLS ?= 200
DISKS ?= 20
EVENTS ?= 100000
STOPS ?= 20
torture: build
	$(GO) build -tags $(TAGS) -o bin/torture ./cmd/torture
	bin/torture -binary bin/crossdock -kills $(KILLS) -disks $(DISKS) $(if $(SEED),-seed $(SEED))
	CROSSDOCK_CHAOS_EVENTS=$(EVENTS) CROSSDOCK_CHAOS_STOPS=$(STOPS) \
		$(GO) test -tags $(TAGS) -count=1 -timeout 60m -v -run '^TestEventsOutliveTheBroker$$' ./cmd/crossdock

# Builds the program with one mistake after another, each of which torture must find.
mutants:
	$(GO) build -tags $(TAGS) -o bin/torture ./cmd/torture
	bin/torture -mutants . -kills 30 -disks 5

lint: $(TOOLS)/golangci-lint $(TOOLS)/deadcode lint-deploy
	$(TOOLS)/golangci-lint run --build-tags $(TAGS) ./...
	@dead="$$($(TOOLS)/deadcode -test -tags $(TAGS) ./...)"; if [ -n "$$dead" ]; then echo "$$dead"; exit 1; fi

# Holds the files in deploy/ to the programs that read them. promtool comes out
# of Debian's package, which is not installed: that would start a server.
lint-deploy:
	@test -x $(TOOLS)/promtool || command -v promtool >/dev/null || test "$$(id -u)" -ne 0 || \
		{ made=$$(mktemp -d) && chmod 755 $$made && cd $$made && apt-get update -qq && apt-get download -qq prometheus && \
		  dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool && \
		  mkdir -p $(TOOLS) && mv usr/bin/promtool $(TOOLS)/promtool; code=$$?; rm -r $$made; exit $$code; } >/dev/null 2>&1 || \
		echo "promtool could not be fetched: the alerts are not checked by it"
	@command -v systemd-analyze >/dev/null || test "$$(id -u)" -ne 0 || \
		{ apt-get update -qq && apt-get install -qq -y --no-install-recommends systemd; } >/dev/null 2>&1 || \
		echo "systemd-analyze could not be installed: the unit is not checked by it"
	cd deploy/lint && $(GO) vet ./... && $(GO) test -count=1 ./... # a cache knows nothing of files outside of the module

$(TOOLS)/golangci-lint:
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

$(TOOLS)/deadcode:
	GOBIN=$(TOOLS) $(GO) install golang.org/x/tools/cmd/deadcode@v0.52.0

# Each fuzz target in turn, for FUZZTIME each; it would go into making inputs smaller otherwise.
FUZZTIME ?= 20s
fuzz:
	@for package in $$(grep -rl --include='*_test.go' 'func Fuzz' . | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -hoE 'func Fuzz[A-Za-z0-9]+' $$package/*_test.go | cut -d' ' -f2 | sort -u); do \
			echo "$$package $$target"; \
			$(GO) test -tags $(TAGS) -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$package || exit 1; \
		done; \
	done

clean:
	rm -rf bin .tools
