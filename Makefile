# Everything this project needs is Python 3.11 or newer and make. Run `make` for what there is.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= 2
IMAGE_EXTRAS := --extra=gunicorn --extra=postgres --extra=celery
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup run test compat coverage unit check format openapi audit lock clean faults bench

help: ## show what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## make .venv with the pinned dependencies (the other targets do it too)
	@:

$(STAMP): requirements/dev.txt pyproject.toml
	@for python in "$(PYTHON)" python3 python3.14 python3.13 python3.12 python3.11; do \
	    [ -n "$$python" ] || continue; \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Python 3.11 or newer is needed. On Debian and Ubuntu:" >&2; \
	    echo "    sudo apt-get install python3 python3-venv" >&2; \
	    exit 1; \
	fi; \
	if ! "$$python" -c 'import ensurepip, venv' 2>/dev/null; then \
	    version=$$("$$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	    echo "Python's venv module is missing. On Debian and Ubuntu:" >&2; \
	    echo "    sudo apt-get install python$$version-venv" >&2; \
	    exit 1; \
	fi; \
	echo "Setting up $(VENV) with $$("$$python" --version) ..."; \
	[ -x $(BIN)/python ] || "$$python" -m venv $(VENV)
	@$(PIP) install --no-deps --require-hashes -r requirements/dev.txt
	@$(PIP) install --no-deps -e .
	@$(PIP) check
	@touch $@

run: setup ## start the API, delivery and, in development, the sandbox inbox
	@$(BIN)/email-service migrate
	@mode=$${FLASK_ENV:-$$(sed -n 's/^FLASK_ENV=//p' .env 2>/dev/null)}; \
	case "$$mode" in \
	    production) exec $(BIN)/email-service serve ;; \
	    *) exec $(BIN)/email-service serve --sandbox ;; \
	esac

test: setup ## run every test
	@$(PYTEST) -n $(JOBS) --dist loadfile

compat: setup ## run unit, contract and HTTP tests with every other Python that is installed here
	@$(BIN)/python -m tests.compat

coverage: setup ## run every test and tell which lines none of them reaches (half as long again)
	@$(PYTEST) -n $(JOBS) --dist loadfile --cov --cov-report=term-missing:skip-covered

unit: setup ## run the unit and contract tests, in seconds
	@$(PYTEST) -q tests/unit tests/contract

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

audit: ## look for known vulnerabilities in the pinned dependencies (needs the Internet)
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$${PYTHON:-python3} -m venv "$$tools" && \
	"$$tools/bin/pip" --disable-pip-version-check --quiet install pip-audit && \
	for set in run image dev; do \
	    "$$tools/bin/pip-audit" --strict --disable-pip --require-hashes -r requirements/$$set.txt || exit 1; \
	done

lock: setup ## pin the dependencies anew (UPGRADE=--upgrade takes the newest)
	@tools=$$(mktemp -d); trap 'rm -rf "$$tools"' EXIT; \
	$(BIN)/python -m venv "$$tools" && \
	"$$tools/bin/pip" --disable-pip-version-check --quiet install pip-tools && \
	for set in run image dev; do \
	    case $$set in \
	        run) extra= ;; \
	        image) extra="$(IMAGE_EXTRAS) --all-build-deps --allow-unsafe" ;; \
	        dev) extra=--extra=dev ;; \
	    esac; \
	    "$$tools/bin/pip-compile" --quiet $(UPGRADE) $$extra --generate-hashes --strip-extras \
	        --no-header --annotation-style=line --no-emit-index-url --no-emit-trusted-host \
	        --no-emit-find-links --output-file=requirements/$$set.txt pyproject.toml || exit 1; \
	done

clean: ## remove the environment and all caches; the database and its key stay
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
	    .coverage .coverage.* htmlcov build *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

faults: setup ## run every fault experiment in full and print its numbers (FAULTS="E01 E15" for some)
	@$(BIN)/python -m tests.faults $(FAULTS)

bench: setup ## measure how fast it is, medians of three (BENCH="hand-off post" for some, --peers, --json)
	@$(BIN)/python -m tests.benchmarks $(BENCH)
