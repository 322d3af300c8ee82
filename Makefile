# What one does with a checkout. Everything stays below it: the environment in .venv, a node's data in data.

SHELL := /bin/bash
VENV ?= .venv
DATA ?= $(CURDIR)/data
HOST ?= 127.0.0.1
PORT ?= 9092
PYTEST_ARGUMENTS ?= -n 2 --dist loadfile

BIN := $(VENV)/bin
HOT_LIST := src/odradek/compiled_modules.txt
HOT_SOURCES := $(wildcard $(addsuffix .py,$(addprefix src/,$(subst .,/,$(shell grep -v '^\#' $(HOT_LIST))))))
GENERATORS := tools.generate_protocol tools.generate_compatibility

.PHONY: help run test simulate torture churn exactly-once faults check format compile benchmark pure clean
.DEFAULT_GOAL := help

help:
	@echo 'make run      install into $(VENV) and start a node: data in ./data, clients at $(HOST):$(PORT)'
	@echo 'make test     all checks, then all tests'
	@echo 'make simulate SEEDS=200 of each kind of story of SECONDS=20 in a test tube (FIRST= says the first seed); what fails is kept'
	@echo 'make torture  kill a node under load ROUNDS=100 times (SEED= repeats the plan), and see what it has lost'
	@echo 'make churn    members of a group join, leave, die and fall silent for SECONDS=120 in each PROTOCOL= (SEED= repeats the plan, AGAINST=kafka compares)'
	@echo 'make exactly-once  copy 100,000 records in transactions while copiers and node are killed, ROUNDS=5 times (SEED= repeats the plan)'
	@echo 'make faults   fail every operation of the storage in turn, and crash between any two of them (a few minutes)'
	@echo 'make check    format, lint, types, floors, generated code (a minute)'
	@echo 'make format   put the sources into form'
	@echo 'make compile  compile the hot modules in place; make pure removes what was compiled'
	@echo 'make benchmark  Odradek beside Apache Kafka, in turns (half an hour); ROWS=produce-16k,start for a part'
	@echo 'make clean    remove what was built; data and $(VENV) stay'

run: $(VENV)/.installed
	@echo 'Clients connect to $(HOST):$(PORT). Lines to try in a second terminal:'
	@echo '  echo "hello, world" | kcat -b $(HOST):$(PORT) -t greetings -P'
	@echo '  kcat -b $(HOST):$(PORT) -t greetings -C -e'
	@echo '  kcat -b $(HOST):$(PORT) -L'
	@exec $(BIN)/odradek up --host '$(HOST)' --port '$(PORT)' --data '$(DATA)'

# Clients whose toolchain is missing are named here and skipped below with the reason.
test: check
	@PYTHON='$(abspath $(BIN)/python)' bash tests/conformance/setup
	$(BIN)/pytest $(PYTEST_ARGUMENTS)

# A second or two a seed; STORY= runs one kind alone, then SEEDS=0 goes on until Ctrl-C. A seed that fails is said with the line that
# replays it, and kept for the tests.
simulate: $(VENV)/.development $(VENV)/.compiled
	@for story in $(or $(STORY),records coordinators); do \
	  PYTHONPATH=src:. $(BIN)/python -m odradek.testing.simulate --story $$story --seeds $(or $(SEEDS),200) --seconds $(or $(SECONDS),20) \
	    $(if $(FIRST),--first $(FIRST)) --keep tests/simulation/kept_seeds_of_$$story.txt || failed=1; \
	done; exit $${failed:-0}

faults: $(VENV)/.development $(VENV)/.compiled
	ODRADEK_FAULTS=full $(BIN)/pytest tests/storage/faults

# Crashes of the process only; it takes about two seconds a round, and keeps the directory of a story that went wrong.
torture: $(VENV)/.development $(VENV)/.compiled
	PYTHONPATH=src:. $(BIN)/python -m tests.integration.torture --rounds $(or $(ROUNDS),100) $(if $(SEED),--seed $(SEED))

# Fifty members in five processes, one protocol after the other; without PROTOCOL= it takes twice the time. AGAINST=kafka to compare with.
churn: $(VENV)/.development $(VENV)/.compiled
	PYTHONPATH=src:. $(BIN)/python -m tests.integration.churn --seconds $(or $(SECONDS),120) \
	  $(if $(SEED),--seed $(SEED)) $(if $(PROTOCOL),--protocol $(PROTOCOL)) $(if $(AGAINST),--against $(AGAINST))

# By copiers of librdkafka and, where Java is, by Apache Kafka's own: about three minutes a round.
exactly-once: $(VENV)/.development $(VENV)/.compiled
	PYTHONPATH=src:. $(BIN)/python -m tests.integration.exactly_once --rounds $(or $(ROUNDS),5) $(if $(SEED),--seed $(SEED))

check: $(VENV)/.development $(VENV)/.compiled
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	@for generator in $(GENERATORS); do echo "$$generator --check"; $(BIN)/python -m "$$generator" --check || exit 1; done
	$(BIN)/lint-imports
	$(BIN)/mypy

format: $(VENV)/.development
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

compile: $(VENV)/.development $(VENV)/.compiled

# Odradek is installed into an environment of its own for this; what is in $(VENV) only drives it. BENCHMARK_ARGUMENTS reaches the command.
benchmark: $(VENV)/.development
	$(BIN)/python -m benchmarks.compare $(if $(ROWS),--rows '$(ROWS)') $(BENCHMARK_ARGUMENTS)

pure: $(VENV)/.development
	ODRADEK_PURE=1 $(BIN)/python setup.py -q build_ext --inplace
	@rm -f $(VENV)/.compiled

clean:
	rm -rf build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache $(VENV)/.compiled $(VENV)/.installed
	find src -name '*.so' -delete
	rm -f src/odradek/compilation.txt
	find src tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

# The first of these that is new enough and can make environments. PYTHON=... on the command line comes before them.
$(BIN)/python:
	@for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if "$$candidate" -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$candidate -m venv $(VENV)"; exec "$$candidate" -m venv '$(VENV)'; \
	  fi; \
	done; \
	echo 'error: no Python 3.11 or newer that can make a virtual environment was found' >&2; \
	echo '  help: install python3.11 or newer with its venv module (Debian: python3-venv), or say make PYTHON=/path/to/python' >&2; \
	exit 1

# Editable, so that what runs is the checkout. The compiled modules are part of it: a changed source is compiled anew.
$(VENV)/.installed: pyproject.toml setup.py $(HOT_LIST) $(HOT_SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@$(BIN)/odradek version
	@touch $@

$(VENV)/.development: pyproject.toml | $(BIN)/python
	ODRADEK_PURE=1 ODRADEK_REQUIRE_COMPILED=0 $(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(VENV)/.compiled: $(VENV)/.development setup.py $(HOT_LIST) $(HOT_SOURCES)
	$(BIN)/python setup.py -q build_ext --inplace
	@touch $@ $(VENV)/.installed
