# Everything starts here: make help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help video studio test lint format docs bench constraints clean

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
# The build of the package itself is pinned too, where pip is new enough to know the setting.
PIP := PIP_BUILD_CONSTRAINT=constraints.txt $(BIN)/python -m pip --disable-pip-version-check
# Workers of the test run; each computes with one thread, and takes over what another has not begun: so the tests of a
# file stay together, and share what it trains. Browsers come last, by themselves: they wait for pages, and
# not for what else the machine does.
JOBS ?= 2
# The others train for hours; docs/zoo.md says how.
BENCHES := generation serving rendering training evaluation startup

# What the user typed, untouched by make: a $ or a quote in a prompt is a character of the prompt. It reaches
# the shell through the environment alone, so nothing in it is ever executed.
override PROMPT := $(value PROMPT)
override OUT := $(value OUT)
export PROMPT OUT

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

video: $(VENV)/.installed-base ## Make a video: PROMPT="a red ball rolls left" [OUT=ball.mp4, else videos/]
	@if [ -z "$$PROMPT" ]; then echo 'say what to show: make video PROMPT="a red ball rolls left"' >&2; exit 2; fi
	@if [ -n "$$OUT" ]; then set -- --overwrite -o "$$OUT"; else set -- -o videos/; fi; \
	$(BIN)/scenewright generate "$$@" -- "$$PROMPT"

studio: $(VENV)/.installed-serve ## Open the studio: make, steer, compare and keep videos in the browser
	$(BIN)/scenewright studio

test: lint ## Check style, types and layers, and run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not browser" $(PYTEST_ARGS) || [ $$? = 5 ]
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m browser $(PYTEST_ARGS) || [ $$? = 5 ]

lint: $(VENV)/.installed-dev ## Check style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(VENV)/.installed-dev ## Format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(VENV)/.installed-dev ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.installed-bench ## Run the benchmarks of docs/benchmarks.md
	@for name in $(BENCHES); do echo "== $$name"; $(BIN)/python "benchmarks/$$name.py"; done

constraints: ## Pin every package of the full install anew, from a clean environment
	PYTHON="$(PYTHON)" scripts/pin-constraints

clean: ## Remove the environment and everything built; keep runs/ and videos/
	rm -rf $(VENV) site dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The stamps come last, so an installation that failed is tried again.
$(VENV)/.installed-base: pyproject.toml constraints.txt | $(BIN)/pip
	@echo 'Installing the packages into $(VENV); the first time takes a few minutes.' >&2
	$(PIP) install --quiet -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-serve: pyproject.toml constraints.txt | $(BIN)/pip
	@echo 'Installing the packages of the server into $(VENV); the first time takes a few minutes.' >&2
	$(PIP) install --quiet -c constraints.txt -e '.[serve]'
	@touch $(VENV)/.installed-base $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/pip
	@echo 'Installing the packages and tools into $(VENV); the first time takes a few minutes.' >&2
	$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@touch $(VENV)/.installed-base $(VENV)/.installed-serve $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev
	$(PIP) install --quiet -c constraints.txt -e '.[bench]'
	@touch $(VENV)/.installed-base $(VENV)/.installed-serve $(VENV)/.installed-dev $@

$(BIN)/pip:
	@if [ -z "$(PYTHON)" ]; then echo 'Python 3.11 or newer is needed; set PYTHON=/path/to/it' >&2; exit 2; fi
	$(PYTHON) -m venv --clear $(VENV)
