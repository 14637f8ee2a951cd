# Every target sets up what it needs. PYTHON chooses the interpreter: make test PYTHON=python3.12
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

READY_TARGETS := demo dev test lint bench models verify-models docs screenshots
.PHONY: $(READY_TARGETS) check lock clean

demo: $(READY)  ## a rollout on sample data, by the real jobs and sensors; make demo STORIES=--all runs all three stories
	@$(BIN)/v4 demo $(STORIES)

dev: $(READY)  ## the Dagster UI on what the demo made
	@$(BIN)/v4 dev

test: $(READY)  ## the tests; those against the BigQuery emulator need a Python 3.13 beside, and say so where there is none
	-@$(MAKE) --no-print-directory emulator
	@$(BIN)/python -m pytest -n 2 --dist loadfile

check: lint test  ## format, lint, types, definitions, tests; CI also verifies the models and runs the demo

lint: $(READY)  ## format, lint, types, who imports whom, definitions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/dagster definitions validate -w workspace.yaml --log-level error

bench: $(READY)  ## the benchmark of docs/benchmarks.md
	@$(BIN)/python -m benchmarks

models: $(READY)  ## train the shipped models again; about two minutes
	@$(BIN)/python -m v4_assets.sample.shipped

verify-models: $(READY)  ## the shipped models are what training gives, bit for bit
	@$(BIN)/python -m v4_assets.sample.shipped --verify

docs: $(READY)  ## docs/configuration.md from the settings
	@$(BIN)/python -m v4_assets.configuration.page

screenshots: $(READY)  ## pictures of the Dagster pages of a finished demo, into docs/images
	@$(BIN)/python -m v4_assets_tests.browser.screenshots

lock: $(READY)  ## renew requirements.lock after a change of pyproject.toml
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-emit-index-url pyproject.toml -o requirements.lock

clean:  ## remove what the demo made
	rm -rf .v4

$(READY): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) (about a minute) …"
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11, 3.12 or 3.13 is needed, `$(PYTHON) --version` was found. Use make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

EMULATOR := .venv-emulator
EMULATOR_TESTS := v4_assets_tests/bigquery

.PHONY: emulator
emulator: $(EMULATOR)/bin/installed  ## the BigQuery emulator of the tests; needs a Python 3.13, named by PYTHON313 if need be

$(EMULATOR)/bin/installed: $(EMULATOR_TESTS)/requirements.txt
	@echo "Setting up $(EMULATOR) (about a minute) …"
	@python="$$(PYTHON313="$(PYTHON313)" sh $(EMULATOR_TESTS)/python313)" && "$$python" -m venv --clear $(EMULATOR)
	@$(EMULATOR)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $(EMULATOR_TESTS)/requirements.txt
	@touch $@
