# `make help` lists the targets; each one installs what it needs by itself.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
SOURCES := $(wildcard libs/*/src/mailweir_*) $(wildcard services/*/src/mailweir_*)
LOCKED := pyproject.toml uv.lock $(wildcard libs/*/pyproject.toml services/*/pyproject.toml)
# Tests and runs start hundreds of processes: without compiled files each would compile everything again.
unexport PYTHONDONTWRITEBYTECODE
ARGS ?=
MINUTES ?= 10
CLUSTER ?= ../shared/cluster/cluster

##@ Use it
.PHONY: run
run: install ## Everything on one machine: twelve sample mails go in, then it stays up (ARGS=… go to `mailweir up`)
	$(BIN)/mailweir up --data var $(ARGS)

.PHONY: install
install: .venv/.installed ## The virtual environment .venv with the `mailweir` command

.venv/.installed: $(LOCKED) .ci/install
	.ci/install
	@touch $@

##@ Work on it
.PHONY: test
test: install ## What CI runs: all tests but the long ones (aim: under 10 minutes on 2 cores)
	$(PYTEST) -m "not long and not cluster" -n 3 --dist loadgroup $(ARGS)

.PHONY: unit
unit: install ## The fast tests alone: no servers, seconds
	$(PYTEST) -m "not integration and not e2e and not conformance and not long and not cluster" -n 2 $(ARGS)

.PHONY: check
check: install ## Lint, format, types, architecture, protos, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES)
	$(BIN)/lint-imports
	$(BIN)/buf lint protos
	$(BIN)/buf format --diff --exit-code protos
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python .ci/generate_protos.py --check
	$(BIN)/python .ci/generate_docs.py --check
	$(BIN)/python .ci/generate_chart.py --check
	$(BIN)/python .ci/generate_monitoring.py --check
	$(BIN)/codespell

.PHONY: generate
generate: install ## Write again what is generated: protos' code, docs/{policy,settings,metrics}.md, docs/openapi.json, the chart's schema, table, dashboards and alerts
	$(BIN)/buf format -w protos
	PATH="$$PWD/$(BIN):$$PATH" $(BIN)/python .ci/generate_protos.py
	$(BIN)/python .ci/generate_docs.py
	$(BIN)/python .ci/generate_chart.py
	$(BIN)/python .ci/generate_monitoring.py

.PHONY: format
format: install ## Format the code and mend what the linter can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

##@ Prove it
.PHONY: test-long
test-long: install ## The tests that take minutes (whole corpus, long crash runs)
	$(PYTEST) -m "long and not cluster" $(ARGS)

.PHONY: images
images: install ## Build every service's image into the test cluster, and print the sizes (CLUSTER: its tool)
	CLUSTER=$(CLUSTER) $(BIN)/python .ci/build_images.py

.PHONY: cluster-test
cluster-test: install ## All on a real Kubernetes, from nothing to floods and kills (CLUSTER: its tool; takes over half an hour)
	CLUSTER=$(CLUSTER) $(PYTEST) tests/cluster -m cluster -p no:randomly -p no:cacheprovider $(ARGS)

.PHONY: bench
bench: install ## Messages per CPU-second over the whole path, beside aiosmtpd and Postfix (where installed)
	$(BIN)/python tests/bench/path.py $(ARGS)

.PHONY: accuracy
accuracy: install ## How much spam is found on sets that were not taught, beside other filters: docs/accuracy.md
	OMP_NUM_THREADS=1 $(BIN)/python tests/accuracy/accuracy.py $(ARGS)

.PHONY: prior
prior: install ## Build the shipped prior from the corpus again (the same corpus gives the same bytes)
	OMP_NUM_THREADS=1 $(BIN)/python tests/accuracy/prior.py $(ARGS)

.PHONY: chaos
chaos: install ## Crash tests under load for MINUTES minutes
	MAILWEIR_CHAOS_MINUTES=$(MINUTES) $(PYTEST) tests/chaos -m "long or not long" -s $(ARGS)

.PHONY: fuzz
fuzz: install ## Fuzz the parsers of hostile input for MINUTES minutes each
	for target in tests/fuzz/fuzz_*.py; do $(BIN)/python $$target --minutes $(MINUTES); done

##@ Help
.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*##"; printf "Usage: make \033[36m<target>\033[0m\n"} \
	  /^##@/ {printf "\n\033[1m%s\033[0m\n", substr($$0, 5)} \
	  /^[a-z-]+:.*##/ {printf "  \033[36m%-10s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)
