# Everything that can be done here; `make` lists it. Needs Python >= 3.11 and make, nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2

ENGINE_TESTS := tests/engines/test_equality.py tests/engines/test_kernel.py tests/engines/test_draws.py
CLAIM_SCENARIOS := probes_2018_world probes_2018_australia kv_2025_redesign kv_central_outage \
	document_editor read_replicas home_outage hibernation objects_vs_dynamodb
WATCHED_SCENARIOS := probes_2018_australia kv_2025_redesign read_replicas objects_vs_dynamodb

.PHONY: help fuzz lowest run test lint types imports unit jit-off bounds notebooks claims baselines docs other-pythons format \
	bench reference claims-page golden baselines-save build coverage clean

help: ## list the tasks
	@echo "make TASK, where TASK is"
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 18
	@echo "PYTHON=python3.12 make ... picks the interpreter for a new $(VENV)"

# --- the environment -------------------------------------------------------------------------------

INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

$(BIN)/python:
	@python="$(PYTHON)"; \
	if [ -z "$$python" ]; then \
	  for candidate in python3 python3.13 python3.12 python3.11; do \
	    if $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	      python=$$candidate; break; \
	    fi; \
	  done; \
	fi; \
	if [ -z "$$python" ]; then \
	  echo "popsim needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3" >&2; exit 2; \
	fi; \
	if ! $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	  echo "PYTHON=$$python is not Python 3.11 or newer" >&2; exit 2; \
	fi; \
	echo "Creating $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV) || { rm -rf $(VENV); echo "Could not create $(VENV); on Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }

$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing popsim into $(VENV)"
	@$(INSTALL) -e .
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing popsim and what its tests need into $(VENV)"
	@$(INSTALL) -e '.[dev]'
	@touch $(VENV)/.installed $@

# --- using it --------------------------------------------------------------------------------------

run: $(VENV)/.installed ## run the flagship scenario; figures and verdicts into results/
	@status=0; $(BIN)/popsim run scenarios/workers_vs_lambda.yaml --out results || status=$$?; \
	if [ $$status -ne 98 ] && [ $$status -ne 99 ]; then exit $$status; fi  # a claim that fails is a result

# --- checking it -----------------------------------------------------------------------------------

# Stages that keep one core busy run side by side, in two lanes; what needs both cores comes last.
test: $(VENV)/.installed-dev ## run everything that CI runs
	@$(BIN)/popsim warmup
	@$(MAKE) --no-print-directory -j2 --output-sync=target lane-checks lane-interpreters
	@$(MAKE) --no-print-directory unit

.PHONY: lane-checks lane-interpreters
lane-checks:
	@for stage in lint types imports docs bounds notebooks claims baselines; do \
	  $(MAKE) --no-print-directory $$stage; \
	done

lane-interpreters:
	@for stage in jit-off other-pythons lowest; do \
	  $(MAKE) --no-print-directory $$stage; \
	done

lint: $(VENV)/.installed-dev ## ruff: mistakes and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: $(VENV)/.installed-dev ## let ruff rewrite the files
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(VENV)/.installed-dev ## mypy, strict outside the kernel
	@$(BIN)/mypy

imports: $(VENV)/.installed-dev ## import-linter: the layers
	@$(BIN)/lint-imports

unit: $(VENV)/.installed-dev ## pytest, the kernel compiled
	@$(BIN)/popsim warmup
	@$(BIN)/pytest -q -n $(JOBS) --dist loadfile

fuzz: $(VENV)/.installed-dev ## load 100,000 inputs that were changed at random; tests/fuzz tries 2,000
	@$(BIN)/python tests/fuzz/fuzz.py 100000

# In an environment of its own; the kernel runs as Python there, which saves compiling it once more.
LOWEST := .venv-lowest
lowest: ## smoke tests with the lowest versions that pyproject.toml allows, under Python 3.11
	@if python3.11 --version >/dev/null 2>&1; then \
	  $(MAKE) --no-print-directory VENV=$(LOWEST) PYTHON=python3.11 $(LOWEST)/bin/python && \
	  $(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt pytest -e . && \
	  NUMBA_DISABLE_JIT=1 $(LOWEST)/bin/python -m pytest -q -o filterwarnings= tests/smoke; \
	else \
	  echo "Python 3.11 is not installed: the lowest versions are not tried"; \
	fi

jit-off: $(VENV)/.installed-dev ## the engines agree without compiling, too
	@NUMBA_DISABLE_JIT=1 POPSIM_EQUALITY_CASES=20 $(BIN)/pytest -q -k "not conserved and not generator" $(ENGINE_TESTS)

bounds: $(VENV)/.installed-dev ## the kernel stays inside its arrays
	@NUMBA_BOUNDSCHECK=1 POPSIM_EQUALITY_CASES=100 $(BIN)/pytest -q $(ENGINE_TESTS)

notebooks: $(VENV)/.installed-dev ## execute the notebooks with their asserts
	@$(BIN)/pytest -q --nbmake --nbmake-timeout=300 notebooks

claims: $(VENV)/.installed-dev ## judge the claims that are reproduced; docs/claims.md says the same of them
	@$(BIN)/popsim check $(CLAIM_SCENARIOS)
	@$(BIN)/python docs/build.py check-claims $(CLAIM_SCENARIOS)

baselines: $(VENV)/.installed-dev ## nothing got worse since baselines/ were saved; a claim that must fail fails
	@$(BIN)/popsim baseline compare $(WATCHED_SCENARIOS)
	@status=0; $(BIN)/popsim check tests/data/must_fail.yaml || status=$$?; \
	if [ $$status -ne 99 ]; then echo "tests/data/must_fail.yaml: exit code $$status, expected 99" >&2; exit 1; fi

docs: $(VENV)/.installed-dev ## build the site into docs/_build/html; a link that leads nowhere is an error
	@$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html

other-pythons: ## smoke tests under Python 3.12 and 3.13, where these are installed
	@for version in 3.12 3.13; do \
	  if python$$version --version >/dev/null 2>&1; then \
	    $(MAKE) --no-print-directory smoke VENV=.venv-$$version PYTHON=python$$version; \
	  else \
	    echo "Python $$version is not installed: no smoke tests under it"; \
	  fi; \
	done

.PHONY: smoke
smoke: $(VENV)/.installed-dev
	@$(BIN)/pytest -q -m smoke tests

coverage: $(VENV)/.installed-dev ## what the tests reach; kernels are measured uncompiled
	@NUMBA_DISABLE_JIT=1 POPSIM_EQUALITY_CASES=30 $(BIN)/pytest -q -n $(JOBS) -m "not slow" --cov --cov-report=term-missing tests

# --- the rest --------------------------------------------------------------------------------------

bench: $(VENV)/.installed-dev ## speed, memory and compile time of both engines
	@$(BIN)/python -m benchmarks

reference: $(VENV)/.installed-dev ## write the schema and the pages that follow from the code: assumptions, keys, models
	@$(BIN)/python docs/build.py

claims-page: $(VENV)/.installed-dev ## judge all published claims anew and write docs/claims.md; takes some minutes
	@$(BIN)/python docs/build.py claims

golden: $(VENV)/.installed-dev ## write the golden results anew; say so under "Changed results" in CHANGELOG.md
	@POPSIM_GOLDEN=write $(BIN)/pytest -q tests/golden

baselines-save: $(VENV)/.installed-dev ## accept what scenarios yield now as their baselines
	@$(BIN)/popsim baseline save $(WATCHED_SCENARIOS)

build: $(VENV)/.installed-dev ## wheel and source distribution into dist/
	@$(BIN)/python -m build --quiet
	@ls -1 dist

clean: ## remove results, kept runs and caches; .venv stays
	@rm -rf results .popsim notebooks/.popsim docs/_build dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage htmlcov
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
