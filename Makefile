# The commands a person runs are the commands CI runs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
NPM_STAMP := node_modules/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test test-all test-chaos check bench bench-memory protos dashboard rules chart pictures images fuzz format clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

# In a terminal pip shows what it downloads; elsewhere a line before each step is enough.
PIP := -m pip install --disable-pip-version-check $(if $(shell test -t 2 && echo terminal),,--quiet)

# torch is pinned (and installed first) so that nothing resolves another build of it.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else 0'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV), 1 of 2: PyTorch (hundreds of MB for a CPU, gigabytes for a GPU) ..."
	@$(BIN)/python $(PIP) $(PIP_FLAGS) -c constraints.txt torch
	@echo "Installing into $(VENV), 2 of 2: HERMES Live and everything else it needs ..."
	@$(BIN)/python $(PIP) $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	@touch $@

$(NPM_STAMP): package.json
	@npm install --silent --no-fund --no-audit
	@touch $@

install: $(STAMP) ## Create .venv with everything in it

demo: $(STAMP) ## The whole pipeline on real H.264 video: cameras, Redis, decoder, worker, gateway, questions
	@$(BIN)/hermes demo $(DEMO_FLAGS)

# The Node example is tested where npm is; its packages are not worth a failure.
.PHONY: node-packages
node-packages:
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(NPM_STAMP) || true; fi

# Neither is a package of two hundred megabytes: without it the kernels' tests are skipped.
KERNELS_STAMP := $(VENV)/.kernels
.PHONY: kernels
kernels: $(STAMP)
	@test -e $(KERNELS_STAMP) || ! $(BIN)/python $(PIP) $(PIP_FLAGS) -c constraints.txt -e '.[kernels]' || touch $(KERNELS_STAMP)

# Files are kept together: what a file's tests share is made once. More processes than cores,
# because many tests wait. TEST_JOBS=0: one process.
TEST_JOBS ?= 3
# Hundreds of processes import the same files: what is compiled of them is kept.
test test-all test-chaos: export PYTHONDONTWRITEBYTECODE :=
test: $(STAMP) node-packages kernels ## Unit, contract and integration tests (under 10 minutes on 2 cores)
	@$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_FLAGS)

test-all: $(STAMP) node-packages kernels ## The same and the slow ones
	@$(BIN)/python -m pytest -m 'not chaos' $(PYTEST_FLAGS)

test-chaos: $(STAMP) ## Kill, stop, cut off and fill up everything that runs (fifty minutes)
	@$(BIN)/python -m pytest -m chaos -s tests/chaos $(PYTEST_FLAGS)

# The API as clients out there know it. It is only added to.
RELEASED_PROTOS := scripts/released_protos

check: $(STAMP) $(NPM_STAMP) ## Lint, types, architecture, protos, console, links, generated code, known vulnerabilities
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	npx --no-install buf lint
	npx --no-install buf breaking --against $(RELEASED_PROTOS)
	npx --no-install buf format --diff --exit-code
	$(BIN)/python scripts/generate_protos.py --check
	npx --no-install tsc -p scripts/console_types
	$(BIN)/python -m scripts.generate_dashboard --check
	$(BIN)/python -m scripts.check_dashboard
	$(BIN)/python -m scripts.generate_prometheus_rules --check
	$(BIN)/python -m scripts.generate_chart --check
	$(BIN)/python scripts/check_links.py
	$(BIN)/hadolint deploy/images/Dockerfile
	$(BIN)/python -m scripts.audit

bench: $(STAMP) ## What is fast, as ratios taken in one run
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks.device --seconds 2

bench-memory: $(STAMP) ## What each memory keeps: right answers by kind and age (an hour)
	@$(BIN)/python -m benchmarks.quality $(BENCH_FLAGS)

protos: $(STAMP) ## Generate hermes/v1 from protos/
	@$(BIN)/python scripts/generate_protos.py

dashboard: $(STAMP) ## Generate the Grafana dashboards from scripts/dashboard/
	@$(BIN)/python -m scripts.generate_dashboard

pictures: $(STAMP) ## Draw the pictures of README, docs/watches.md and docs/console.md anew, from real runs
	@$(BIN)/python -m scripts.generate_pictures
	@$(BIN)/python -m scripts.console_pictures

FUZZ_S ?= 60
fuzz: $(STAMP) ## Damaged data for everything that parses outside data (FUZZ_S seconds a target)
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_S) $(FUZZ_TARGETS)

images: ## Build the images (podman, docker or buildah); REGISTRY=... PUSH=1 pushes them
	@deploy/images/build

rules: $(STAMP) ## Generate Kubernetes' rules from deploy/prometheus/rules
	@$(BIN)/python -m scripts.generate_prometheus_rules

chart: $(STAMP) ## Generate the Helm chart's schema and copies, after a change of settings, rules or dashboards
	@$(BIN)/python -m scripts.generate_chart

format: $(STAMP) ## Apply the formatter
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## Remove what make created
	rm -rf $(VENV) node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
