# Zerosum: `make run` serves on this machine, `make test` tests everything. `make help` lists the rest.
# Needs Python >= 3.11 and make; everything else is installed into .venv, nothing into the system.

.DEFAULT_GOAL := help
.PHONY: help install install-dev run test test-long check format lint types imports bench bench-hostile bench-overload bench-reads bench-console bench-telemetry looking bench-nights bench-streams bench-verify restore-drill walk stages campaign planted fuzz container-test kafka-test pages dashboards dashboard-pictures lock audit clean

CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11 python
PYTHON ?= $(firstword $(foreach name,$(CANDIDATES),$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $(name))))
ARGS ?=

# One more than the cores this is meant for: about every third test waits, for a deadline, a lock or a process to end.
TEST_PROCESSES ?= 3

# Some hundred processes are started by the tests, and four by `make run`: what the first has compiled, the others read.
unexport PYTHONDONTWRITEBYTECODE

help:  ## list the targets
	@sed -n 's/^\([a-z.-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

install: .venv/.installed  ## make .venv with the package and all it needs to run

install-dev: .venv/.installed-dev  ## the same with what the tests and checks need

run: .venv/.installed  ## serve: private PostgreSQL and Redis, migrations, a demo ledger (ARGS="--port 9000")
	@exec .venv/bin/zerosum up $(ARGS)

test: .venv/.installed-dev  ## run the whole test suite (ARGS="-k payments" narrows it)
	@exec .venv/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup $(ARGS)

test-long: .venv/.installed-dev  ## the suite with all cases of what is much alike, and more of what is made up (25 minutes)
	@exec env TESTS_AT_LENGTH=1 .venv/bin/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup $(ARGS)

check: .venv/.installed-dev format-check lint types imports test  ## everything that must hold before a commit

format: .venv/.installed-dev  ## format the code
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

.PHONY: format-check
format-check: .venv/.installed-dev
	.venv/bin/ruff format --check .

lint: .venv/.installed-dev  ## ruff
	.venv/bin/ruff check .

types: .venv/.installed-dev  ## mypy, strict
	.venv/bin/mypy

imports: .venv/.installed-dev  ## the rooms and their arrows
	.venv/bin/lint-imports

bench: .venv/.installed-dev  ## measure against the bare ceilings: a table and a chart in bench-results/
	@exec .venv/bin/python -m benchmarks $(ARGS)

bench-hostile: .venv/.installed-dev  ## payments of an honest caller while strangers attack: a table in bench-results/
	@exec .venv/bin/python -m benchmarks.hostile $(ARGS)

bench-overload: .venv/.installed-dev  ## three times as many payments as can be made, and a neighbour meanwhile: a table on stdout
	@ulimit -n 20000 && exec .venv/bin/python -m benchmarks.overload $(ARGS)

bench-reads: .venv/.installed-dev  ## whether reading grows with history (ARGS="10000 1000000 --dated-every 1")
	@exec .venv/bin/python -m benchmarks.reads $(ARGS)

bench-console: .venv/.installed-dev  ## how soon the console's pages are there (ARGS="100000 1000000"; 10 minutes, 10 GB)
	@exec .venv/bin/python -m benchmarks.console $(ARGS)

bench-telemetry: .venv/.installed-dev  ## what metrics, traces, logs and an open console cost a payment (minutes)
	@exec .venv/bin/python -m benchmarks.telemetry $(ARGS)

looking: .venv/.installed-dev  ## the same in one process, to the microsecond: what counting, spans and lines cost it
	@exec .venv/bin/python -m benchmarks.looking $(ARGS)

bench-streams: .venv/.installed-dev  ## messages in and events out, beside the committer: a table on stdout
	@exec .venv/bin/python -m benchmarks.streams $(ARGS)

bench-nights: .venv/.installed-dev  ## payments beside 100,000 expiring holds and the close of a month: a table on stdout
	@exec .venv/bin/python -m benchmarks.nights $(ARGS)

bench-verify: .venv/.installed-dev  ## how fast `zerosum verify` is, in full and since a checkpoint (ARGS="10000000": an hour, 20 GB)
	@exec .venv/bin/python -m benchmarks.verify $(ARGS)

restore-drill: .venv/.installed-dev  ## back up under load, kill everything, restore to two times and prove the books (minutes)
	@exec .venv/bin/python -m benchmarks.restore_drill $(ARGS)

walk: .venv/.installed-dev  ## the way of one payment through files and functions, from the socket to its answer
	@exec .venv/bin/python -m benchmarks.walk $(ARGS)

stages: .venv/.installed-dev  ## what a payment costs an API process in Python, stage by stage
	@exec .venv/bin/python -m benchmarks.stages $(ARGS)

campaign: .venv/.installed-dev  ## the long fault campaigns: kill -9 of everything under load, 100,000 transfers
	@exec .venv/bin/python -m pytest -m campaign -n 0 --timeout 3600 $(ARGS)

fuzz: .venv/.installed-fuzz  ## a fuzzer led by coverage on each parser that strangers write to (ARGS="--seconds 600 head rows")
	@exec .venv/bin/python -m tests.fuzzing.guided $(ARGS)

planted: .venv/.installed-dev  ## plant known bugs one by one in a copy, and see the tests fail (ARGS="held" narrows it)
	@exec .venv/bin/python -m tests.planted $(ARGS)

pages: .venv/.installed-dev  ## render what docs/ says of posting rules, refusals, events and metrics
	.venv/bin/python -m tests.architecture.accounting
	.venv/bin/python -m tests.architecture.refusal_table
	.venv/bin/python -m tests.architecture.event_table
	.venv/bin/python -m tests.architecture.event_schemas
	.venv/bin/python -m tests.architecture.metrics_page

dashboards: .venv/.installed-dev  ## write Grafana's dashboards and the rules of what is promised out of dashboards/
	@exec .venv/bin/python -m dashboards

dashboard-pictures: .venv/.installed-dev  ## draw docs/dashboards/ from a service under a little load (needs Prometheus; minutes)
	@exec .venv/bin/python -m dashboards.pictures $(ARGS)

lock:  ## renew the locks (needs uv)
	uv pip compile pyproject.toml --extra embedded --extra fast --extra build --universal --generate-hashes --python-version 3.11 -o requirements.lock
	uv pip compile pyproject.toml --all-extras --universal --generate-hashes --python-version 3.11 -o requirements-dev.lock
	uv pip compile pyproject.toml -c requirements.lock --universal --generate-hashes --python-version 3.11 -o requirements-image.lock
	echo 'atheris>=3.0,<3.1' | uv pip compile - --universal --generate-hashes --python-version 3.11 -o requirements-fuzz.lock
	echo 'hatchling>=1.27' | uv pip compile - -c requirements.lock --universal --generate-hashes --python-version 3.11 -o requirements-build.lock

compose.env:  ## make the secrets for `docker compose up`, once (PUBLISHED_PORT=9000 for another port)
	@PUBLISHED_PORT="$(PUBLISHED_PORT)" sh deploy/compose/make-env.sh

container-test: .venv/.installed-dev  ## bring docker-compose.yml up by a real container engine and pay (minutes)
	@exec .venv/bin/python -m pytest -m containers -n 0 --timeout 3600 tests/containers $(ARGS)

kafka-test: .venv/.installed-dev  ## messages through a real Kafka (needs Java 17 and Maven, which fetches its jars once)
	@exec .venv/bin/python -m pytest -m "kafka and not campaign" -n 0 tests/ingest tests/publications $(ARGS)

audit: .venv/.installed-dev  ## what is known of the libraries of the lock (needs a network; ARGS="--materials FILE" lists them)
	@exec .venv/bin/python -m tests.architecture.audit $(ARGS)

clean:  ## remove .venv and caches, not the data in .zerosum
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis bench-results

.venv/.installed: requirements.lock pyproject.toml .ci/install
	@sh .ci/install "$(PYTHON)" requirements.lock
	@touch .venv/.installed

.venv/.installed-dev: requirements-dev.lock pyproject.toml .ci/install
	@sh .ci/install "$(PYTHON)" requirements-dev.lock
	@touch .venv/.installed .venv/.installed-dev

# Linux on x86 and Python up to 3.13: for others there is no atheris.
.venv/.installed-fuzz: requirements-fuzz.lock .venv/.installed-dev
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	@touch .venv/.installed-fuzz
