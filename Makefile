# The only door: every command that a person or CI runs. `make` alone explains them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first that runs and is new enough: a name alone proves nothing where versions are managed by shims.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { command -v $$name; break; }; done)
VENV ?= .venv
BIN := $(VENV)/bin
DATA_DIR ?= .data
PACKAGES := shared_schemas service_kit feature_service prediction_service db_init local_stack
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SOURCES := $(foreach package,$(PACKAGES),$(package)/src/$(package))
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" $(foreach package,$(PACKAGES),--no-emit-package $(subst _,-,$(package)))
export DATA_DIR FRONT_PORT DATA FEATURES

.PHONY: help run test lint format bench bench-growth bench-overload bench-load lock audit clean
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Variables: FRONT_PORT=8000 DATA_DIR=.data PYTHON=python3"

run: $(VENV)/run.stamp  ## everything on this machine, without Docker; DATA=loans.csv or FEATURES=vectors.csv for data of your own
	@exec $(BIN)/python -m local_stack

test: $(VENV)/dev.stamp lint  ## lint, types and every test this machine can run (REQUIRE_DOCKER=1: fail without Docker)
	@tests/docker-or-say-so && stack=tests/stack || { [ -z "$$REQUIRE_DOCKER" ] && stack=; } && \
	$(BIN)/python -m pytest tests/unit tests/contract tests/integration tests/browser $$stack

lint: $(VENV)/dev.stamp  ## ruff, mypy --strict, import directions
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy $(SOURCES) tests && $(BIN)/lint-imports

format: $(VENV)/dev.stamp  ## let ruff put the code in order
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(VENV)/dev.stamp  ## how fast all of it is beside the server's own limit (needs wrk); PEERS=1: beside Feast and MLServer, too
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench $(if $(PEERS),--peers)

bench-growth: $(VENV)/dev.stamp  ## the same features from 36 thousand and from 10 million clients (3 GB of disk)
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --growth 10000000

bench-overload: $(VENV)/dev.stamp  ## answers a second at up to fifty times the load that can be sustained
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --overload

bench-load: $(VENV)/dev.stamp  ## loading 783 thousand loans, and twice as many, beside a plain COPY
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --load

lock: $(VENV)/dev.stamp  ## renew requirements/*.txt: the newest versions that fit, with hashes
	$(LOCK) --upgrade --group build --group dev $(foreach package,$(PACKAGES),$(package)/pyproject.toml) --all-extras -o requirements/dev.txt
	for package in feature_service prediction_service db_init local_stack; do \
		$(LOCK) --constraints requirements/dev.txt --group build $$package/pyproject.toml -o requirements/$$package.txt || exit; done
	$(LOCK) --constraints requirements/dev.txt --group build prediction_service/pyproject.toml --extra train -o requirements/trainer.txt

audit: $(VENV)/dev.stamp  ## known vulnerabilities of every pinned package; asks pypi.org
	$(BIN)/pip-audit --strict --disable-pip $(foreach file,$(wildcard requirements/*.txt),--requirement $(file))

clean:  ## forget the data folder (database, models, log) and the virtual environment
	rm -rf $(DATA_DIR) $(VENV)

$(BIN)/python:
	@python="$(PYTHON)"; [ -n "$$python" ] && $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with PYTHON=/path/to/python3"; exit 1; }
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "On Debian and Ubuntu: apt install python3-venv"; exit 1; }

# Third-party packages come first and with hashes; ours are linked in place, so that an edit needs no new install.
$(VENV)/run.stamp: requirements/local_stack.txt $(PACKAGES:%=%/pyproject.toml) | $(BIN)/python
	@echo "installing what the stack needs (about a minute on the first run)"
	@$(PIP) install --require-hashes -r requirements/local_stack.txt
	@$(PIP) install --no-deps --no-build-isolation $(PACKAGES:%=-e ./%)
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(PACKAGES:%=%/pyproject.toml) | $(BIN)/python
	@echo "installing what the tests need"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps --no-build-isolation $(PACKAGES:%=-e ./%)
	@touch $@ $(VENV)/run.stamp
