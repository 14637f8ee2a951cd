# Every target sets up what it needs. PYTHON chooses the interpreter: make test PYTHON=python3.12
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev

# uv installs in seconds what takes pip two minutes. Where it cannot be had, or does not reach the index, pip installs.
# A lock file is complete, and where hashes are required pip refuses what a package asks for with an extra: --no-deps.
# $(call install,PYTHON,WHAT)
install = { [ -x $(BIN)/uv ] && $(BIN)/uv pip install --quiet --python $(1) --no-deps $(2); } \
  || { echo "Without uv: pip takes about two minutes …"; $(1) -m pip install --quiet --disable-pip-version-check --no-deps $(2); }
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
# Where a shell forbids bytecode, every process compiles thousands of files again.
unexport PYTHONDONTWRITEBYTECODE

RUNTIME_TARGETS := demo dev bench models verify-models docs
DEV_TARGETS := test test-all chaos lint screenshots
.PHONY: $(RUNTIME_TARGETS) $(DEV_TARGETS) check lock clean

demo: $(READY)  ## a rollout on sample data, by the real jobs and sensors; all stories: make demo STORIES=--all
	@$(BIN)/v4 demo $(STORIES)

dev: $(READY)  ## the Dagster UI on what the demo made
	@$(BIN)/v4 dev

test: $(DEV_READY)  ## rules, queries, a day of the graph, the main stories of a rollout: what needs only Python and minutes
	@$(PYTEST) -m "not extended"

test-all: test  ## the tests, then the extended ones: kill sweeps, all other stories, BigQuery, the browser, PostgreSQL
	@$(MAKE) --no-print-directory emulator || test -z "$$CI"
	@$(PYTEST) -m extended

chaos: $(DEV_READY)  ## kills at random times, tables and org compared with an undisturbed run; KILLS= SEED= ONLY=; not part of CI
	@$(BIN)/python -m v4_assets_tests.chaos --kills $(or $(KILLS),100) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only "$(ONLY)")

check: lint test  ## format, lint, types, definitions, tests: before every commit

lint: $(DEV_READY)  ## format, lint, types, who imports whom, definitions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/dagster definitions validate -w workspace.yaml --log-level error

bench: $(READY)  ## the benchmark of docs/benchmarks.md
	@$(BIN)/python -m benchmarks

models: $(READY)  ## train the shipped models again, to other bytes; about two minutes
	@$(BIN)/python -m v4_assets.sample.shipped

verify-models: $(READY)  ## a new training has the shipped models' figures
	@$(BIN)/python -m v4_assets.sample.shipped --verify

docs: $(READY)  ## docs/configuration.md from the settings
	@$(BIN)/python -m v4_assets.config.docs_page

screenshots: $(DEV_READY)  ## pictures of the Dagster pages of a finished demo, into docs/images
	@$(BIN)/python -m v4_assets_tests.browser.screenshots

COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-emit-index-url
UNIVERSAL := $(COMPILE) --universal --python-version 3.11

lock: $(READY)  ## renew the lock files after a change of pyproject.toml or the emulator's requirements.in
	@$(UNIVERSAL) --extra dev pyproject.toml -o requirements-dev.lock
	@$(UNIVERSAL) --constraints requirements-dev.lock pyproject.toml -o requirements.lock
	@$(UNIVERSAL) --group build -o requirements-build.lock
	@$(COMPILE) --python-version 3.13 --no-deps $(EMULATOR_TESTS)/requirements.in -o $(EMULATOR_TESTS)/requirements.lock

clean:  ## remove what the demo made
	rm -rf .v4

$(READY): requirements-build.lock requirements.lock pyproject.toml setup.py
	@echo "Setting up $(VENV) (less than a minute) …"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed, `$(PYTHON) --version` was found. Use make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -r requirements-build.lock || { echo "uv cannot be had here."; \
	  sed '/^uv==/,$$d' requirements-build.lock > $(VENV)/without-uv.lock && $(PIP) -r $(VENV)/without-uv.lock; }
	@$(call install,$(BIN)/python,--require-hashes -r requirements.lock)
	@$(call install,$(BIN)/python,--no-build-isolation -e .)
	@touch $@

$(DEV_READY): $(READY) requirements-dev.lock
	@echo "Adding what tests and lint need to $(VENV) …"
	@$(call install,$(BIN)/python,--require-hashes -r requirements-dev.lock)
	@touch $@

EMULATOR := .venv-emulator
EMULATOR_TESTS := v4_assets_tests/bigquery

.PHONY: emulator
emulator: $(EMULATOR)/bin/installed  ## the BigQuery emulator of the tests; needs a Python 3.13, named by PYTHON313 if need be

$(EMULATOR)/bin/installed: $(EMULATOR_TESTS)/requirements.lock | $(READY)
	@echo "Setting up $(EMULATOR) …"
	@python="$$(PYTHON313="$(PYTHON313)" sh $(EMULATOR_TESTS)/python313)" && "$$python" -m venv --clear $(EMULATOR)
	@$(call install,$(EMULATOR)/bin/python,--require-hashes -r $(EMULATOR_TESTS)/requirements.lock)
	@touch $@
