# make demo | test | dev | systems | bench | acceptance | lint | clean
# Each sets itself up: a virtual environment with the versions of constraints.txt, and the jars.

PYTHON ?= python3.11
VENV ?= .venv
FRAUD_HOME ?= .fraud_platform
# `make test` in three processes, a file of tests each: many tests wait for brokers and processes, so
# two cores run three. The first runs the tests on Spark (3 GB) while there are others for the rest.
# PYTEST_WORKERS=0: in pytest's own process.
PYTEST_WORKERS ?= 3
PYTEST_ARGS ?=
DROPS ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory --no-builtin-rules
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs-installed
export FRAUD_HOME

# The compiled modules of tests and of the processes that they start are kept, whatever the shell
# says: each of 3 workers otherwise compiles 250 files of tests (4 CPU s), each process the product.
test: export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test coverage systems dev bench acceptance docs lint clean java python jars
.DEFAULT_GOAL := help

help:
	@echo "make demo        four months of drops to a promoted model, with a report (DROPS=folder: yours)"
	@echo "make dev         Kafka, the Dagster UI and MLflow on what the demo made, until Ctrl-C"
	@echo "make test        the tests"
	@echo "make coverage    the tests, and which lines and branches of the product they reach"
	@echo "make systems     one small case on each real system: S3, HDFS, YARN, Connect, secured Kafka, ..."
	@echo "make lint        ruff, mypy and the architecture test"
	@echo "make docs        the documentation as a site, from pages and code"
	@echo "make bench       measure speed and quality, write docs/benchmarks.md"
	@echo "make acceptance  the long checks as well"
	@echo "make clean       stop what runs, remove $(VENV), caches and .fraud_platform/"

demo: jars
	@$(BIN)/fraud-platform demo $(if $(DROPS),--drops "$(DROPS)")

dev: jars
	@exec $(BIN)/fraud-platform dev

test: jars
	@$(BIN)/pytest -n $(PYTEST_WORKERS) --dist loadfile -m "not slow and not systems" $(PYTEST_ARGS)

# Processes that tests start count as well. The report lists the modules that are not reached whole;
# .fraud_platform/coverage/html/index.html shows their lines.
coverage: jars
	@mkdir -p .fraud_platform/coverage
	@$(BIN)/pytest -n $(PYTEST_WORKERS) --dist loadfile -m "not slow and not systems" \
	  --cov --cov-report=term --cov-report=html:.fraud_platform/coverage/html $(PYTEST_ARGS)

systems: jars
	@$(BIN)/pytest -m "systems and not slow" $(PYTEST_ARGS)

acceptance: jars
	@$(BIN)/pytest $(PYTEST_ARGS)

bench: jars
	@$(BIN)/python -m benchmarks

lint: $(INSTALLED)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/pytest fraud_platform_tests/unit/test_architecture.py

docs: $(DOCS_INSTALLED)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open .fraud_platform/site/index.html, or search it too:" \
	  "$(BIN)/python -m http.server --directory .fraud_platform/site"

clean:
	@for home in .fraud_platform .fraud_platform/*/; do \
	  [ ! -d "$$home/run" ] || FRAUD_HOME="$$home" $(BIN)/fraud-platform down || true; done
	@rm -rf $(VENV) .fraud_platform .mypy_cache .ruff_cache .pytest_cache .hypothesis spark-warehouse
	@find . -name __pycache__ -prune -exec rm -rf {} +

# The module needs the standard library alone, so that a missing Java is said before a download.
java: python
	@$(PYTHON) -m fraud_platform.adapters.jvm.java

python:
	@command -v $(PYTHON) > /dev/null || { echo "Python: expected $(PYTHON), found none." \
	  "Install Python 3.11 (Debian 12: apt-get install python3.11-venv), or say make PYTHON=path." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; found = "%d.%d" % sys.version_info[:2]; found == "3.11" or sys.exit( \
	  "Python: expected 3.11, but $(PYTHON) is " + found + ". Say make PYTHON=path-of-python3.11.")'

jars: java $(INSTALLED)
	@$(BIN)/fraud-platform fetch-jars > /dev/null

$(INSTALLED): pyproject.toml constraints.txt | python
	@echo "Installing the packages of constraints.txt into $(VENV) (once; about 450 MB to fetch) ..."
	@$(PYTHON) -m venv $(VENV) || { echo "Python: $(PYTHON) cannot make a virtual environment." \
	  "Install its venv module (Debian: apt-get install python3.11-venv)." >&2; rm -rf $(VENV); exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $@

# A part of its own: tests do not need it.
$(DOCS_INSTALLED): $(INSTALLED) docs/constraints.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -c docs/constraints.txt \
	  -e '.[docs]'
	@touch $@
