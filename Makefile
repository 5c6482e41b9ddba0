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
# Of tests: one runs those that measure time, and mostly waits; of the others some wait, too.
WORKERS ?= $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 4 ? cores + 2 : 5)))
PACKAGES := shared_schemas decision_log console service_kit feature_service prediction_service db_init local_stack
# Python compiles what it imports, once. To compile all that is installed takes as long as to install it.
INSTALL = -m pip --disable-pip-version-check --quiet install --no-compile
SOURCES := $(foreach package,$(PACKAGES),$(package)/src/$(package))
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" $(foreach package,$(PACKAGES),--no-emit-package $(subst _,-,$(package)))
export DATA_DIR FRONT_PORT DATA FEATURES FEATURE_SET

.PHONY: help run demo-drift test images test-clients test-swarm check-kubernetes lint format bench bench-growth bench-gateway bench-overload bench-load bench-monitoring bench-portfolio bench-partitions bench-shards simulate lock audit clean
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  Variables: FRONT_PORT=8000 DATA_DIR=.data PYTHON=python3 WORKERS=$(WORKERS) (of tests)"

run: $(VENV)/run.stamp  ## everything on this machine, without Docker; DATA=loans.csv, or FEATURE_SET=set.toml FEATURES=vectors.csv, for data of your own
	@exec $(BIN)/python -m local_stack

demo-drift: $(VENV)/run.stamp  ## plays two simulated years with a drift half way in a stack of its own, and prints the alarms (minutes)
	@exec $(BIN)/python -m local_stack.demo_drift $(ARGS)

test: | $(BIN)/python  ## lint, types and every test this machine can run (REQUIRE_DOCKER=1: fail without Docker)
	@$(MAKE) --no-print-directory --jobs 3 $(VENV)/emulator.stamp lint images
	@tests/docker-or-say-so >/dev/null && stack="tests/stack --ignore tests/stack/test_swarm.py"; \
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadscope \
		tests/unit tests/contract tests/integration tests/handbook tests/browser $$stack
	@echo "left out: the real clients of Feast, Triton, KServe, MLflow and Java (make test-clients); a swarm (make test-swarm)"

images:
	@if tests/docker-or-say-so; then docker compose --progress quiet build; else [ -z "$$REQUIRE_DOCKER" ]; fi

test-clients: $(VENV)/dev.stamp  ## the real clients of Feast, Triton, KServe, MLflow and Java, and generated ones, in environments of their own (1 GB, minutes)
	@$(BIN)/python -m pytest tests/clients -s

test-swarm: $(VENV)/dev.stamp  ## deploy/swarm on one node: an engine of its own in a network namespace (root; minutes, 3 GB)
	@$(BIN)/python -m pytest tests/stack/test_swarm.py

check-kubernetes: $(VENV)/dev.stamp  ## the security of the Kubernetes manifests, by checkov in an environment of its own (300 MB)
	@rm -rf $(DATA_DIR)/kubernetes && mkdir -p $(DATA_DIR)/kubernetes
	@# With the optional components, which only add.
	@cp -r deploy/kubernetes $(DATA_DIR)/kubernetes/main && \
		sed -i 's/^components: \[images\]/components: [images, dynamodb, two-databases, read-replicas]/' $(DATA_DIR)/kubernetes/main/kustomization.yaml
	@for folder in $(DATA_DIR)/kubernetes/main deploy/kubernetes/jobs/*; do \
		$(BIN)/kubectl kustomize $$folder >$(DATA_DIR)/kubernetes/$$(basename $$folder).yaml || exit; done; rm -r $(DATA_DIR)/kubernetes/main
	@# Left out: limits of CPU (they slow down answers while CPU is idle), pulling again what has a tag of its own, digests.
	@$(BIN)/uv tool run --from checkov==3.3.30 checkov --skip-download --framework kubernetes --directory $(DATA_DIR)/kubernetes \
		--skip-check CKV_K8S_11,CKV_K8S_15,CKV_K8S_43 --compact --quiet

lint: $(VENV)/dev.stamp  ## ruff, mypy --strict, import directions
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy $(SOURCES) tests && $(BIN)/lint-imports

format: $(VENV)/dev.stamp  ## let ruff put the code in order
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: $(VENV)/dev.stamp $(VENV)/emulator.stamp  ## how fast all of it is beside the server's own limit (needs wrk); PEERS=1: beside Feast and MLServer, too
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench $(if $(PEERS),--peers)

simulate: $(VENV)/dev.stamp  ## what monitoring promises, measured: false alarms, and days until a drift is found (minutes)
	@PYTHONPATH=tests $(BIN)/python -m simulation bars

bench-growth: $(VENV)/dev.stamp  ## the same features from 36 thousand and from 10 million clients (3 GB of disk)
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --growth 10000000

bench-gateway: $(VENV)/dev.stamp  ## the services through the gateway, beside direct (needs HAProxy 3.4, or its image)
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --front-door

bench-overload: $(VENV)/dev.stamp  ## answers a second at up to fifty times the load that can be sustained
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --overload

bench-load: $(VENV)/dev.stamp  ## loading 783 thousand loans, and twice as many, beside a plain COPY
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --load

bench-monitoring: $(VENV)/dev.stamp  ## recorded predictions while the monitor counts them, beside none
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --monitoring --rounds 4 --seconds 10

bench-portfolio: $(VENV)/dev.stamp  ## a million clients: score-all, the same recorded, the audit of their log (4 GB of disk)
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --portfolio 1000000

bench-partitions: $(VENV)/dev.stamp  ## five million rows of history partitioned while they are read and written (3 GB of disk)
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --partitions 5000000

bench-shards: $(VENV)/dev.stamp  ## the same features from one database, and divided among two, each on a server of its own
	@PYTHONPATH=tests $(BIN)/python -m bench --folder $(DATA_DIR)/bench --shards

lock: $(VENV)/dev.stamp  ## renew requirements/*.txt: the newest versions that fit, with hashes
	$(LOCK) --upgrade --group build --group dev $(foreach package,$(PACKAGES),$(package)/pyproject.toml) --all-extras -o requirements/dev.txt
	for package in decision_log db_init local_stack; do \
		$(LOCK) --constraints requirements/dev.txt --group build $$package/pyproject.toml -o requirements/$$package.txt || exit; done
	for package in feature_service prediction_service; do \
		$(LOCK) --constraints requirements/dev.txt --group build $$package/pyproject.toml --extra otel -o requirements/$$package.txt || exit; done
	$(LOCK) --constraints requirements/dev.txt --group build prediction_service/pyproject.toml --extra train -o requirements/trainer.txt
	$(LOCK) --upgrade --group build dynamodb_emulator/pyproject.toml -o requirements/dynamodb_emulator.txt

audit: $(VENV)/dev.stamp  ## known vulnerabilities of every pinned package; asks the package index
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
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements/local_stack.txt
	@$(BIN)/python $(INSTALL) --no-deps --no-build-isolation $(PACKAGES:%=-e ./%)
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(PACKAGES:%=%/pyproject.toml) | $(BIN)/python
	@echo "installing what the tests need"
	@$(BIN)/python $(INSTALL) --require-hashes -r requirements/dev.txt
	@$(BIN)/python $(INSTALL) --no-deps --no-build-isolation $(PACKAGES:%=-e ./%)
	@touch $@ $(VENV)/run.stamp

# An environment of its own: it pins another botocore than the services.
$(VENV)/emulator.stamp: requirements/dynamodb_emulator.txt | $(BIN)/python
	@echo "installing the emulator of DynamoDB"
	@$(PYTHON) -m venv --clear $(VENV)/emulator
	@$(VENV)/emulator/bin/python $(INSTALL) --require-hashes -r requirements/dynamodb_emulator.txt
	@touch $@
