# Everything this project needs is Python 3.11 or newer and make. Run `make` for what there is.

VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.set-run
DEV := $(VENV)/.set-dev
JOBS ?= 2
IMAGE_EXTRAS := --extra=gunicorn --extra=postgres --extra=celery
LOCKS := run image dev build tools clients
PYTEST := $(BIN)/python -m pytest

# Without a cache of bytecode each process that a test starts compiles all modules anew, and pytest
# rewrites the assertions of every file anew in each of its processes.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup run test tools-in compat coverage unit check format openapi settings audit lock clean faults bench

help: ## show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(DEV) ## make .venv with all pinned packages (what needs them does it too)
	@:

# What running needs, and what development needs: make run never waits for the second, and leaves it
# alone where it is.
$(RUN): requirements/run.txt requirements/build.txt requirements/install pyproject.toml
	@PYTHON="$(PYTHON)" sh requirements/install run

$(DEV): requirements/dev.txt requirements/build.txt requirements/install pyproject.toml
	@PYTHON="$(PYTHON)" sh requirements/install dev

ifeq ($(wildcard $(BIN)/python),) # also where it leads to a Python that is gone
.PHONY: $(RUN) $(DEV)
endif

run: $(RUN) ## start the API, delivery and, in development, the sandbox inbox
	@mode=$${FLASK_ENV:-$$(sed -n 's/^FLASK_ENV=//p' .env 2>/dev/null)}; \
	case "$$mode" in \
	    production) exec $(BIN)/email-service serve ;; \
	    *) exec $(BIN)/email-service serve --sandbox ;; \
	esac

test: setup ## run every test
	@$(PYTEST) -n $(JOBS) --dist loadfile

compat: setup ## run unit, contract and HTTP tests with the oldest and the newest other Python here
	@$(BIN)/python -m tests.compat

coverage: setup ## run every test and tell which lines none of them reaches (half as long again)
	@$(PYTEST) -n $(JOBS) --dist loadfile --cov --cov-report=term-missing:skip-covered

unit: setup ## run the unit and contract tests, in seconds
	@$(PYTEST) -q -n $(JOBS) --dist loadfile tests/unit tests/contract

check: setup ## check format, lint, types and the import contracts
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

format: setup ## put the code in form
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

openapi: setup ## accept a change of the API's contract: write the golden document anew
	@RENEW_GOLDEN=1 $(PYTEST) -q tests/e2e/test_openapi.py

settings: setup ## write .env.example and the page of the settings from their declaration
	@RENEW_GOLDEN=1 $(PYTEST) -q tests/unit/test_settings.py -k declaration

audit: ## look for known vulnerabilities in the pinned packages (needs the Internet)
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(MAKE) --no-print-directory tools-in TOOLS="$$tools" && \
	for set in $(LOCKS); do \
	    "$$tools/bin/pip-audit" --strict --disable-pip --require-hashes -r requirements/$$set.txt || exit 1; \
	done

# One lock for all Pythons and systems that are supported: pip leaves out what a marker rules out. It
# needs no environment: after a change in pyproject.toml the one of before does not fit.
lock: ## pin the packages anew (UPGRADE=--upgrade takes the newest)
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(MAKE) --no-print-directory tools-in TOOLS="$$tools" && \
	for set in $(LOCKS); do \
	    from=pyproject.toml; \
	    case $$set in \
	        run) what= ;; \
	        image) what="$(IMAGE_EXTRAS)" ;; \
	        dev) what=--extra=dev ;; \
	        build) what=--no-annotate; from="$$tools/build.in" ;; \
	        tools|clients) what=--group=pyproject.toml:$$set; from= ;; \
	    esac; \
	    "$$tools/bin/python" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	        > "$$tools/build.in" && \
	    "$$tools/bin/uv" pip compile --quiet $(UPGRADE) $$what --universal --python-version=3.11 \
	        --generate-hashes --no-header --annotation-style=line --no-emit-index-url \
	        --output-file=requirements/$$set.txt $$from || exit 1; \
	done

tools-in:
	@"$${PYTHON:-python3}" -m venv "$(TOOLS)"
	@"$(TOOLS)/bin/pip" --disable-pip-version-check --quiet install --no-deps --require-hashes \
	    -r requirements/tools.txt
	@"$(TOOLS)/bin/pip" --disable-pip-version-check check > /dev/null

clean: ## remove the environment and all caches; the database and its key stay
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
	    .coverage .coverage.* htmlcov build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

faults: setup ## run every fault experiment in full and print its numbers (FAULTS="E01 E15" for some)
	@$(BIN)/python -m tests.faults $(FAULTS)

bench: setup ## measure how fast it is, medians of three (BENCH="hand-off post" for some, --peers, --json)
	@$(BIN)/python -m tests.benchmarks $(BENCH)
