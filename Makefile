# The habits of the project. `make run` on a clean clone needs Python 3.11 or newer, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
SIDE_BY_SIDE ?= 4
SLOW_SIDE_BY_SIDE ?= 2
# Most of their time is waiting, so more of them run at once than there are cores.
FAST := $(BIN)/pytest -n $(SIDE_BY_SIDE) -m 'not slow and not cluster'
# Without the tests that send no command, which are counted at the end; `test-twice` fails when one of those sends.
SENDING := $(BIN)/pytest -n $(SIDE_BY_SIDE) -m 'sends and not slow and not cluster'
# Few and long: whoever has none left takes over what others have before them.
SLOW := $(BIN)/pytest -n $(SLOW_SIDE_BY_SIDE) --dist worksteal -m 'slow or cluster'

.DEFAULT_GOAL := help
.PHONY: help run test test-twice fast-twice check fast lint bench lock clean

help:
	@echo 'make run     install into $(VENV) and start everything on this machine'
	@echo 'make test    all tests'
	@echo 'make test-twice  the same, with every command sent twice: right behind itself, and after its answer'
	@echo 'make fast    the fast tests'
	@echo 'make fast-twice  those of them that send, with every command sent twice, and a count of the others'
	@echo 'make check   what lint does, and the fast tests'
	@echo 'make lint    format, lint, types, borders between the parts'
	@echo 'make bench   measure durable commands per second'
	@echo 'make lock    write requirements.lock from pyproject.toml'
	@echo 'make clean   remove what `make` made; data stays'

run: $(INSTALLED)
	@$(BIN)/holdfast up

test: fast $(INSTALLED)
	$(SLOW)

check: lint fast

fast: $(INSTALLED)
	$(FAST)

# Every suite has to stay green when every command comes twice.
test-twice: $(INSTALLED)
	HOLDFAST_TEST_TWICE=behind $(FAST)
	HOLDFAST_TEST_TWICE=answered $(SENDING)
	HOLDFAST_TEST_TWICE=behind $(SLOW)

fast-twice: $(INSTALLED)
	HOLDFAST_TEST_TWICE=behind $(SENDING)

lint: $(INSTALLED)
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright --threads
	$(BIN)/lint-imports

bench: $(INSTALLED)
	$(BIN)/python -m bench

lock: $(INSTALLED)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --generate-hashes \
		--no-header --no-emit-index-url --quiet -o requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# Written last, so that an interrupted installation is done again.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Holdfast needs Python 3.11 or newer; name it with: make PYTHON=python3.11 ...' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo 'This Python lacks venv; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
