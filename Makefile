# Each target makes .venv by itself; Python with pip and make are all that is needed.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements/constraints.txt

.PHONY: demo test lint check format bench fuzz clean

demo: $(VENV)/.demo
	$(BIN)/streamer demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

fuzz: $(VENV)/.dev
	$(BIN)/python -m tests.fuzz

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml requirements/constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[demo,optimize]'
	touch $@

$(VENV)/.dev: pyproject.toml requirements/constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[demo,optimize,test,dev]'
	touch $@ $(VENV)/.demo

clean:
	rm -rf $(VENV) build dist out
