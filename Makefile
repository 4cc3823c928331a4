# Hedgehog needs make and Python 3.11 or newer, nothing else. `make` alone lists the targets.
# Settings are variables: make run WEB_PORT=8001 MARKET=live

# The first Python that is new enough, unless one is named: make test PYTHON=python3.13
IS_NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
ifndef PYTHON
  PYTHON := $(shell for p in python3 python3.13 python3.12 python3.11; do \
      $$p -c '$(IS_NEW_ENOUGH)' >/dev/null 2>&1 && echo $$p && break; done)
  VENV := .venv
endif
VERSION := $(shell $(or $(PYTHON),false) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
# A Python that was named has an environment of its own.
VENV ?= .venv-$(VERSION)
BIN := $(VENV)/bin
FOR_RUN := $(VENV)/.for-run-$(VERSION)
FOR_TEST := $(VENV)/.for-test-$(VERSION)
# Shows how far pip is, and ends at a Ctrl-C without a traceback.
INSTALL := $(PYTHON) hedgehog_project/launch/install.py $(VENV)

.PHONY: help run host test bench simulate chaos lint format lock clean check-python

help:
	@echo 'make run     installs, prepares and starts everything; Ctrl-C stops it'
	@echo 'make host    on a further machine: joins the first one by its DATABASE_URL and REDIS_URL'
	@echo 'make test    linters, types, all tests (also on PostgreSQL if it is installed); COVERAGE=1'
	@echo 'make bench   runs the benchmarks'
	@echo 'make simulate  randomised simulation: SEEDS=500 FROM=0; SEED=1234 repeats one; MUTANTS=1 plants bugs'
	@echo 'make chaos   injects every fault into real processes: SECONDS=10 DATABASE=both ONLY=mix-3,hosts SEED=1'
	@echo 'make lint    linters and types only'
	@echo 'make format  formats the code'
	@echo 'make lock    compiles requirements*.txt from requirements*.in; UPGRADE=1 allows newer versions of dependencies'
	@echo 'make clean   removes the Python environments; keeps var/ with the database'
	@echo
	@echo 'Settings: make run WEB_PORT=8001 MARKET=live; see .env.example for all. Another Python: PYTHON=python3.13'

run: $(FOR_RUN)
	@exec $(BIN)/python -m hedgehog_project.launch.run

host: $(FOR_RUN)
	@HEDGEHOG_PART=host exec $(BIN)/python -m hedgehog_project.launch.run

# Of the tests that run side by side, in their own processes: what starts real ones is covered and not counted.
# Python 3.12 and newer can count almost for nothing.
COVERED = $(if $(COVERAGE),COVERAGE_CORE=$(if $(filter 3.11,$(VERSION)),ctrace,sysmon))
ROOMS := console trading streamer binance_mock history candles hedgehog_project
SHOW_COVERAGE = echo 'Lines covered:'; for room in $(ROOMS); do \
    printf '    %-18s%3s %%\n' "$$room" "$$($(BIN)/coverage report --include="$$room/*" --format=total)"; done; \
    printf '    %-18s%3s %%\n' all "$$($(BIN)/coverage report --format=total)"

# The others: tests/support/machine/lanes.py.
BESIDE_ALL := not alone and not computes
test: $(FOR_TEST) lint
	$(COVERED) $(BIN)/python -m pytest -q -m "$(BESIDE_ALL)" -n 3 --dist loadfile --no-loadscope-reorder \
	    $(if $(COVERAGE),--cov --cov-report=)
	@$(if $(COVERAGE),$(SHOW_COVERAGE))
	$(BIN)/python -m tests.support.machine.lanes

SEEDS ?= 500
FROM ?= 0
simulate: $(FOR_TEST)
	@exec $(BIN)/python -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS) --first $(FROM)) \
	    $(if $(MUTANTS),--mutants) $(if $(MUTANT),--mutant $(MUTANT)) $(if $(CONDITIONS),--conditions $(CONDITIONS)) \
	    $(if $(PROCESSES),--processes $(PROCESSES))

chaos: $(FOR_TEST)
	@exec $(BIN)/python -m tests.e2e.chaos $(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) \
	    $(if $(DATABASE),--database $(DATABASE)) $(if $(ONLY),--only $(ONLY)) $(if $(REPORT),--report $(REPORT))

lint: $(FOR_TEST)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# With settings and a home of its own: what the developer has set must not matter.
	home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT && \
	export HEDGEHOG_HOME="$$home" HEDGEHOG_ENV_FILE=/dev/null DATABASE_URL= && \
	$(BIN)/mypy . && $(BIN)/python manage.py makemigrations --check --dry-run

bench: $(FOR_TEST)
	$(BIN)/python -m bench

format: $(FOR_TEST)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# For every Python and machine that Hedgehog runs on at once, each file with its hash, and no index's address.
LOCK := $(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --custom-compile-command 'make lock' --no-emit-index-url $(if $(UPGRADE),--upgrade)
lock: | check-python
	@$(PYTHON) -m venv --clear $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(LOCK) requirements.in --output-file requirements.txt
	$(LOCK) requirements-dev.in --output-file requirements-dev.txt

clean:
	rm -rf .venv .venv-* .mypy_cache .ruff_cache .pytest_cache

check-python:
	@$(or $(PYTHON),python3) -c '$(IS_NEW_ENOUGH)' 2>/dev/null || { \
	    echo 'hedgehog: Python 3.11 or newer is needed; $(or $(PYTHON),python3) is' \
	    "$$($(or $(PYTHON),python3) -V 2>&1 | tail -1). Use another: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    echo 'hedgehog: $(PYTHON) lacks its venv module (Debian, Ubuntu: apt install python3-venv)' >&2; exit 1; }

# Rebuilt if it was made by another Python, for example before an upgrade of the system.
$(FOR_RUN): requirements.txt | check-python
	@[ "$$($(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" = "$(VERSION)" ] || \
	    $(INSTALL)
	@$(INSTALL) requirements.txt
	@touch $@

$(FOR_TEST): requirements-dev.txt $(FOR_RUN)
	@$(INSTALL) requirements-dev.txt
	@touch $@
