# Every target does its own set-up: nothing has to be installed by hand but Python >= 3.11, pip, make and git.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Servers and workers that tests start would else compile every module again, each of them.
unexport PYTHONDONTWRITEBYTECODE
# Compiled at once, but for what is never loaded here: the tests of libraries, and the types of Stripe's whole API.
UNUSED := /(tests|stripe)/

.PHONY: help run test test-slow check format bench bench-large editor requirements clean
.DEFAULT_GOAL := help

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(VENV)/installed: requirements.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --no-compile -r requirements.txt
	@$(BIN)/python -m pip install -q --no-compile --no-deps -e .
	@$(BIN)/python -m compileall -q -j 0 -x '$(UNUSED)' $(VENV)/lib admin core jobs pages web app.py
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	@$(BIN)/python -m pip install -q --no-compile -r requirements-dev.txt
	@touch $@

run: $(VENV)/installed ## Serve on http://HOST:PORT (127.0.0.1:8501)
	@exec $(BIN)/stepiq serve

test: $(VENV)/installed-dev ## Run the test suite
	@$(BIN)/python -m tests.support.browser_setup
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow" -q

test-slow: $(VENV)/installed-dev ## Run the kill loops and the load tests
	@$(BIN)/python -m pytest -m slow -q

check: $(VENV)/installed-dev ## Check format, lint, types, import contracts and migration drift
	@$(BIN)/ruff format --check -q . || { echo "Run make format."; exit 1; }
	@$(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q tests/integration/test_schema.py

format: $(VENV)/installed-dev ## Format the code
	@$(BIN)/ruff format -q . && $(BIN)/ruff check -q --fix .

bench: $(VENV)/installed-dev ## Measure, as ratios against peers in the same run
	@$(BIN)/python -m benchmarks

bench-large: $(VENV)/installed-dev ## Measure over a million runs, an hour and 15 GB; BENCH_RUNS=20000 for fewer
	@$(BIN)/python -m benchmarks.large

editor: ## Build the notebook's editor and compare it with the committed bundle
	@cd pages/ui/editor && npm ci --silent && npm run --silent build
	@git diff --exit-code --stat -- pages/ui/editor/dist || { echo "The committed bundle differs: commit the new one."; exit 1; }

requirements: $(VENV)/installed-dev ## Pin the requirements anew
	@$(BIN)/python -m pip install -q uv
	@$(BIN)/uv pip compile -q --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements.in -o requirements.txt
	@$(BIN)/uv pip compile -q --no-header --no-annotate --no-emit-index-url --no-emit-find-links requirements-dev.in -o requirements-dev.txt

clean: ## Remove the environment (never the data)
	@rm -rf $(VENV)
