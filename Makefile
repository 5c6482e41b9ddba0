# The only door: every command that a person or CI runs. `make` alone explains them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= $(firstword $(foreach python,python3.13 python3.12 python3.11 python3,$(shell command -v $(python))))
VENV ?= .venv
BIN := $(VENV)/bin
PACKAGES := shared_schemas service_kit feature_service prediction_service db_init local_stack
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock" $(foreach package,$(PACKAGES),--no-emit-package $(subst _,-,$(package)))

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

lock: dev  ## renew requirements/*.txt: the newest versions that fit, with hashes
	$(LOCK) --upgrade --group build --group dev $(foreach package,$(PACKAGES),$(package)/pyproject.toml) --all-extras -o requirements/dev.txt
	for package in feature_service prediction_service db_init local_stack; do \
		$(LOCK) --constraints requirements/dev.txt $$package/pyproject.toml --group pyproject.toml:build -o requirements/$$package.txt; done
	$(LOCK) --constraints requirements/dev.txt prediction_service/pyproject.toml --extra train --group pyproject.toml:build -o requirements/trainer.txt
