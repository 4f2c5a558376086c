# `make demo` and `make test` work on a fresh machine with Python and make.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs-installed
PIP_INSTALL := $(BIN)/python -m pip install --quiet --quiet --no-input \
	--disable-pip-version-check --constraint constraints.txt

DEMO_RUN := runs/dates
DEMO_MODEL := saved_models/dates_demo
DEMO_DATE := keskiviikko 6. joulukuuta 2017

# Modules are compiled when first imported, not all of them at installation.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo preset test exhaustive coverage backends lint docs bench clean

help: ## Show this list
	@echo "make TARGET [PYTHON=python3.12] [VENV=.venv]"
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 12

demo: $(INSTALLED) ## Train on dates, export, translate, draw: a few minutes
	$(BIN)/kseq2seq train dates --run $(DEMO_RUN) --fresh
	rm -rf $(DEMO_MODEL)
	$(BIN)/kseq2seq export $(DEMO_RUN) $(DEMO_MODEL)
	@printf '%s\n' \
		'Saturday, March 4, 2017' \
		'dimanche 20 juillet 1969' \
		'9. November 1989' \
		'2024年2月29日' \
		'$(DEMO_DATE)' > $(DEMO_RUN)/five.txt
	$(BIN)/kseq2seq translate $(DEMO_MODEL) \
		< $(DEMO_RUN)/five.txt > $(DEMO_RUN)/five.translated.txt
	@paste $(DEMO_RUN)/five.translated.txt $(DEMO_RUN)/five.txt
	$(BIN)/kseq2seq plot $(DEMO_RUN) --text "$(DEMO_DATE)" \
		--output $(DEMO_RUN)/alignment.png

# `make demo` trains the run.
preset: $(INSTALLED) ## Make the preset "dates" of the package of runs/dates
	$(BIN)/python training/make_preset.py $(DEMO_RUN) kseq2seq/presets/shipped/dates

test: $(INSTALLED) ## Run the tests, on all cores
	$(BIN)/python -m pytest -n auto

# Combinations of which `make test` tries examples: as long again, or longer. In parts, as
# a process keeps what XLA compiles, and after a hundred training steps crashes in it.
exhaustive: $(INSTALLED) ## Run the tests of all combinations, on all cores
	@for cell in gru layer_norm "not gru and not layer_norm"; do \
		$(BIN)/python -m pytest -n auto -m exhaustive -k "$$cell" || exit 1; \
	done

# Processes that the tests start are measured too.
coverage: $(INSTALLED) ## Run the tests; fail if they reach less than 97 % of lines
	$(BIN)/python -m pytest -n auto --cov --cov-report=term-missing:skip-covered

backends: $(INSTALLED) ## Run the tests of the JAX and PyTorch backends, if installed
	$(BIN)/python -m pytest -rs -k other_backends

# The environment variable: no question to a registry whether there is a newer one.
lint: $(INSTALLED) ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

# Its makers announce another program in place of MkDocs at each build.
docs: $(DOCS_INSTALLED) ## Build the documentation in site/, with Python 3.11 or newer
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# Those that need arguments say so, with exit code 2.
bench: $(INSTALLED) ## Run the benchmarks that need no arguments
	@set -e; set -- $$(grep -l __main__ benchmarks/*.py); \
	if [ ! -e "$$1" ]; then echo "There is no benchmark yet."; exit 0; fi; \
	for script; do echo "== $$script"; $(BIN)/python "$$script" || [ $$? = 2 ]; done

clean: ## Remove the environment, the demo's results and caches
	rm -rf $(VENV) $(DEMO_RUN) $(DEMO_MODEL) build dist site *.egg-info
	rm -rf .hypothesis .pytest_cache .ruff_cache .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Written last: an installation cut short is begun anew.
$(INSTALLED): setup.cfg pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV): a minute or two, the first time."
	$(PIP_INSTALL) setuptools wheel
	$(PIP_INSTALL) --no-build-isolation --no-compile --editable .[dev]
	@touch $@

$(DOCS_INSTALLED): $(INSTALLED)
	$(PIP_INSTALL) --no-build-isolation --no-compile --editable .[docs]
	@touch $@

$(BIN)/python:
	@version=$$($(PYTHON) -c \
		'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null); \
	case "$$version" in \
	3.10|3.11|3.12|3.13) ;; \
	*) echo "kseq2seq needs Python 3.10 to 3.13, and $(PYTHON) is" \
		"$${version:-not to be found}: name another, such as" \
		"'make $(or $(MAKECMDGOALS),test) PYTHON=python3.12'." >&2; exit 1;; \
	esac; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module: install it (on Debian or Ubuntu" \
		"'apt install python$$version-venv') and call make again." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
