# `make help` lists the commands. Needs Python 3.11 or later, make and git; the rest is installed into .venv.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Arguments for pytest, as in `make test ARGS="-k merkle"`; workers, as in `make test JOBS=4`.
ARGS ?=
JOBS ?= 0

.PHONY: help setup demo test check bench lock generate clean \
        check-lint check-format check-types check-imports check-locks check-generated check-duplicates

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
	    printf '  make %-8s %s\n' "$$name" "$$text"; done

setup: $(INSTALLED) ## create .venv with everything that the other commands need

$(INSTALLED): requirements/uv.txt requirements/dev.txt pyproject.toml tools/setup.sh
	@sh tools/setup.sh venv
	@touch $@

demo: setup ## start the product with the demonstration system (Ctrl-C stops it all)
	@exec $(BIN)/tocsin demo

test: setup ## run every test; installs chromium where it may
	@sh tools/setup.sh chromium
	@$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

# Every part is run and told, also when an earlier one fails; parts run side by side, output in one piece each.
check: setup ## lint, format, types, import contracts, locks, generated files, duplicates
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target \
	    check-types check-lint check-format check-imports check-locks check-generated check-duplicates

check-lint:
	@$(BIN)/ruff check --output-format concise .

check-format:
	@$(BIN)/ruff format --check --output-format concise .

check-types:
	@$(BIN)/mypy

check-imports:
	@PYTHONPATH=src $(BIN)/lint-imports

check-locks:
	@$(BIN)/python tools/locks.py check

check-generated:
	@$(BIN)/python tools/schemas.py check
	@PYTHONPATH=. $(BIN)/python tools/reference.py check

check-duplicates:
	@$(BIN)/python tools/duplicates.py

bench: setup ## run the benchmarks; each prints one JSON line
	@set -e; for file in bench/bench_*.py; do PYTHONPATH=. $(BIN)/python "$$file"; done

lock: setup ## resolve the locks anew (UPGRADE=--upgrade takes the newest versions)
	@$(BIN)/python tools/locks.py make $(UPGRADE)

generate: setup ## write the files that are made from the source
	@$(BIN)/python tools/schemas.py make
	@PYTHONPATH=. $(BIN)/python tools/reference.py make

clean: ## remove caches and what was built; keeps .venv and data
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	@find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} +
