# Every target works in a fresh clone on a machine with Python 3.11+ and its venv module; nothing else is needed.
# `make` alone lists the targets.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# One worker a core: more of them only take turns.
WORKERS ?= auto
# The tests start hundreds of processes: what a module compiles to is kept, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

# uv installs in ten seconds what takes pip more than a minute. It is asked for the index that pip is told to use; where uv
# cannot be had, or does not get through (a registry only pip knows the way to), pip does it all.
define INSTALL
	@$(PIP) install --quiet uv || true
	@index=$$($(PIP) config list | sed -n "s/^.*[.]index-url='\(.*\)'$$/\1/p" | head -n 1); \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	UV_SYSTEM_CERTS=1 $(BIN)/uv pip install --quiet --python $(BIN)/python --editable $(1) || \
	$(PIP) install --quiet --prefer-binary --editable $(1)
endef

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help install demo test lint prove bench pictures docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## the package with what the examples need, editable, in .venv

demo: $(VENV)/.installed ## replays the example suite and writes its report to reports/demo
	@rm -rf reports/demo
	@$(BIN)/focal-eval run evals/retail.yaml --out reports/demo

lint: $(VENV)/.installed-dev ## style, formatting, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BESIDE) $(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# While mypy keeps one core busy, another compiles the tests: else each worker does so for itself.
test: BESIDE = $(BIN)/python -m pytest --collect-only -qq >/dev/null 2>&1 &
test: lint ## lint, then every test but the slow ones
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -m "not slow"

prove: $(VENV)/.installed-dev ## the slow tests, all examples of properties, and every benchmark once on small input
	FOCAL_EVAL_EXAMPLES=all $(BIN)/python -m pytest -m "slow or hypothesis"
	$(BIN)/python benchmarks/run.py --quick
	$(BIN)/python benchmarks/remote.py --quick
	$(BIN)/python benchmarks/large.py --quick
	$(BIN)/python benchmarks/journal.py --quick
	$(BIN)/python benchmarks/store.py --quick

bench: $(VENV)/.installed-dev ## measures this tool beside others and rewrites benchmarks/README.md; half an hour
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/remote.py
	$(BIN)/python benchmarks/page.py --write
	$(BIN)/python benchmarks/store.py

pictures: $(VENV)/.installed-dev ## makes the pictures in docs/images again; needs Chromium
	@$(BIN)/python docs/images/make.py

docs: $(VENV)/.installed-dev ## the documentation as a site, in build/site
	@$(BIN)/python docs/site/make.py

clean: ## removes everything that was generated
	rm -rf $(VENV) build dist benchmarks/.work .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	git clean -fdXq -- reports
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "the venv module is needed: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "installing focal-eval into $(VENV)"
	$(call INSTALL,'.[rivescript]')
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "installing focal-eval and its development tools into $(VENV)"
	$(call INSTALL,'.[dev]')
	@touch $(VENV)/.installed $@
