# Everything runs from .venv, which is made from requirements.lock.

PYTHON ?= python3
BIN := .venv/bin

# make demo SOURCE=replay FILE=recording.ndjson.gz CLOCK=poll UNTIL=drained EXPORT=rows.ndjson
DEMO_OPTIONS := $(foreach option,source file clock speed until export port pollers errors error_rate,\
	$(if $($(shell echo $(option) | tr a-z A-Z)),--$(subst _,-,$(option)) "$($(shell echo $(option) | tr a-z A-Z))"))

.PHONY: help demo check test faults bench static setup lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: setup ## the whole pipeline on this machine; Ctrl-C stops it
	@$(BIN)/txfeatures demo $(DEMO_OPTIONS)

check: static ## the quick gate, without network: static checks, then the tests that need nothing
	$(BIN)/pytest -q -m "not integration"

test: static ## set-up, static checks, then all tests, on a real Kafka and a local AWS
	$(BIN)/pytest -q

faults: setup ## the fault tests at length: 200,000 transactions, 50 kills a service
	FAULT_TRANSACTIONS=200000 FAULT_KILLS=50 $(BIN)/pytest -q tests/integration/test_faults.py

bench: setup ## the product beside its peers, some twenty minutes; writes docs/benchmarks.md
	$(BIN)/python -m bench --page docs/benchmarks.md

static: setup ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

setup: .venv/installed

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "txfeatures needs Python 3.11 or newer; set PYTHON=python3.12 or so"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

LOCK := uv pip compile --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --no-header --quiet

lock: ## resolve pyproject.toml again into both locks (needs uv); the notebooks' one holds all of the other
	$(LOCK) --all-extras -o requirements-notebooks.lock pyproject.toml
	grep -E '^[a-z0-9._-]+==' requirements-notebooks.lock | sed 's/ \\$$//' > build/constraints.txt
	$(LOCK) --extra dev --constraint build/constraints.txt -o requirements.lock pyproject.toml

clean: ## remove what was made here
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
