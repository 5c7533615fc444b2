# The two commands of the README: `make quickstart` and `make test`. Both set up .venv first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready

.PHONY: quickstart test sequence lint lock clean
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

# Two processes at a time, each with servers of its own; a file of tests is not split.
test: lint
	$(RUN) -m pytest -n 2 --dist loadfile

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
