# The two commands of the README: `make quickstart` and `make test`. All set up .venv first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
# Tests start many processes, which would compile the same files again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: quickstart check test test-all sequence lint lock clean
.DEFAULT_GOAL := quickstart

$(READY): requirements.lock pyproject.toml
	@echo "installing into $(VENV) (about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

quickstart: $(READY)
	@$(VENV)/bin/fusionrec quickstart

# Three processes at a time, since many tests wait for a server; a file of tests is not split, and
# files keep their order: that with the fewest tests is not the shortest, and would else come last.
PYTEST := $(RUN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# While you work, about a minute: lint, types, and the tests that need no trained model. It leaves out
# whatever needs Paddle, PostgreSQL, a Milvus server, `fusionrec serve`, a browser or MovieLens: these
# tests skip themselves at the moment they ask for one of them (tests/quick.py).
check: lint
	$(PYTEST) --quick -rfE

# Before a merge, about 10 minutes: every test; each process has servers of its own.
test: lint
	$(PYTEST)

# Before a release, half an hour more: also that the wheel is whole and runs, the service against a
# dictionary for many more steps, two minutes of kills, full disks, pauses and locks, every pair of
# commands at once, every write that fails once, two machines that train together, and 1,000 mutated
# inputs.
test-all: test
	$(RUN) tests/wheel_check.py
	$(RUN) tests/two_machines.py
	FUSIONREC_EXAMPLES=100 $(RUN) -m pytest tests/service/test_model_in_memory.py
	$(RUN) benchmarks/history_check.py --seconds 120
	$(RUN) benchmarks/at_once.py
	$(RUN) benchmarks/faults.py
	$(RUN) benchmarks/fuzz.py --count 1000

lint: $(READY)
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

# The sequence model of the README's figures, trained and measured: about 80 minutes. After a kill:
# make sequence RESUME=--resume
sequence: $(READY)
	@version=$$($(VENV)/bin/fusionrec train --data ml-1m --model sequence --preset full \
		--protocol next-item $(RESUME)) && \
	$(VENV)/bin/fusionrec evaluate --data ml-1m --protocol next-item --version $$version

# Needs uv; names no index, so that it installs from wherever pip is set up to look.
lock:
	uv pip compile pyproject.toml --group dev --generate-hashes --universal --python-version 3.11 \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
		-o requirements.lock

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
