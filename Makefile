# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
# Each test worker computes on one core: two of them fill two cores without fighting.
ONE_THREAD = OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: run quickstart tables docs test test-slow lint clean

run: $(VENV)/installed
	$(BIN)/echokit run recipes/ef_112.yaml

quickstart: $(VENV)/installed
	$(BIN)/echokit run quickstart

# Every table of the benchmark suites, at the scale that only shows that all of it runs.
tables: $(VENV)/installed
	$(BIN)/echokit bench --scale tiny

test: $(VENV)/installed-test
	$(ONE_THREAD) $(BIN)/python -m pytest -n 2 -q

test-slow: $(VENV)/installed-test
	$(ONE_THREAD) $(BIN)/python -m pytest -m slow -n 2 -q --durations=10

# The documentation, into build/site; a broken link fails it.
docs: $(VENV)/installed-test
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.style
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

$(VENV)/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) -e .
	touch $@

$(VENV)/installed-test: $(VENV)/installed $(wildcard plugins/*/pyproject.toml)
	$(PIP) -e ".[test]" $(patsubst %/pyproject.toml,-e %,$(wildcard plugins/*/pyproject.toml))
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache
