# The verbs of the house. Bare `make` prints them; each first sets up what it needs, once.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup demo up test check bench bench-scaled bench-providers events npm-clients clean python

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: .venv/dev.stamp ## make .venv with everything needed to work on the code

demo: .venv/runtime.stamp ## a day in the life of an account, played on the embedded engine; needs no server
	$(BIN)/rendezvous demo

up: .venv/runtime.stamp ## everything in one process, embedded, on a loopback port
	$(BIN)/rendezvous up

test: .venv/dev.stamp ## every test and doctest; a part of them with ARGS="tests/domain -k series"
	$(BIN)/python -m pytest -n auto -m "not bench" $(ARGS)

check: .venv/dev.stamp ## style, types, who imports whom, spelling
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

bench: .venv/dev.stamp ## measure how fast it is here
	$(BIN)/python -m pytest -m "bench and not scaled" -s tests/benchmarks --ignore tests/benchmarks/providers $(ARGS)

bench-scaled: .venv/dev.stamp ## the same on Kafka and PostgreSQL; a part of it with ARGS="-k freshness"
	$(BIN)/python -m pytest -m scaled -s tests/benchmarks/scaled $(ARGS)

bench-providers: .venv/dev.stamp ## reading calendars, polling and webhooks, beside the sandbox
	$(BIN)/python -m pytest -m bench -s tests/benchmarks/providers $(ARGS)

events: .venv/dev.stamp ## write docs/events.md, docs/asyncapi.yaml, docs/schemas/ and docs/openapi.json from the code
	$(BIN)/python -m services.documents

npm-clients: .venv/npm.stamp ## the JavaScript clients that `make test` tries the sandbox with, where they are; needs npm

clean: ## remove caches, builds and demo-data; .venv and data stay
	rm -rf build dist *.egg-info demo-data .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find domain projections adapters services tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Variables below this line are not very interesting for getting started.

# The interpreter to make .venv with; the first of these that is 3.11 or newer and can make one.
PYTHON ?=
CANDIDATES = $(or $(PYTHON),python3.13 python3.12 python3.11 python3)
# Further arguments for pytest.
ARGS ?=

BIN = .venv/bin
PIP_INSTALL = $(BIN)/python -m pip install --quiet --no-input --disable-pip-version-check --constraint constraints.txt --editable

# Shell words that leave the interpreter's name in $$found, or nothing.
FIND_PYTHON = found=; for name in $(CANDIDATES); do \
	  if "$$name" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$name"; break; fi; \
	done

# Prints the interpreter's name, or says what is missing.
python:
	@$(FIND_PYTHON); if [ -n "$$found" ]; then echo "$$found"; else $(NO_PYTHON); fi

NO_PYTHON = { \
	  echo "No Python 3.11 or newer with the modules venv and ensurepip was found among: $(CANDIDATES)."; \
	  echo "Install one (on Debian: python3 and python3-venv) or name one: make PYTHON=/path/to/python3.11 ..."; \
	} >&2; exit 1

# A .venv that somebody made before is used as it is; one left half made has no working pip, and is made again.
.venv/python.stamp:
	@if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  $(FIND_PYTHON); if [ -z "$$found" ]; then $(NO_PYTHON); fi; \
	  echo "Making .venv with $$found"; "$$found" -m venv --clear .venv || exit 1; \
	fi
	@touch $@

# What the program needs to run, and no more.
.venv/runtime.stamp: pyproject.toml constraints.txt | .venv/python.stamp
	$(PIP_INSTALL) .
	@touch $@

# The tests export and query as well, hence `analytics`. What runs with this runs with less, hence both stamps.
.venv/dev.stamp: pyproject.toml constraints.txt | .venv/python.stamp
	$(PIP_INSTALL) '.[analytics,dev]'
	@touch .venv/runtime.stamp $@

# In .venv, which every tool passes over. No package's own script is run.
.venv/npm.stamp: tests/sandbox/npm/package.json tests/sandbox/npm/package-lock.json | .venv/python.stamp
	@command -v npm >/dev/null || { echo "No npm here: install Node.js 20 or newer with npm." >&2; exit 1; }
	@mkdir -p .venv/npm
	@cp tests/sandbox/npm/package.json tests/sandbox/npm/package-lock.json .venv/npm/
	cd .venv/npm && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@
