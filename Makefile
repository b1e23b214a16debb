# Everything runs from .venv, which the first run sets up; later runs find it ready.
# Missing system packages (gcc, clang, the AVR compiler, Chromium) come by apt-get where that is allowed; EIGHTBIT_APT=no forbids it.

PYTHON := .venv/bin/python
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
ARGS ?=

.PHONY: help demo test check toolchains
.NOTPARALLEL:
.DEFAULT_GOAL := help

help: ## show this text
	@grep -hE '^[a-z]+: .*## ' Makefile | sed -E 's/^([a-z]+):[^#]*## /  make \1\t/' | expand -t 20

demo: .venv/ready-demo ## compile, verify and evaluate examples/digits
	@$(PYTHON) examples/digits/demo.py

test: .venv/ready-test ## run the tests (ARGS="tests/test_fixed.py -k shift" for a part)
	@$(PYTHON) -m pytest -n $(JOBS) $(ARGS)

toolchains: ## install the compilers and emulators of all targets that CI runs (Debian or Ubuntu, 2 GB)
	@tools/setup.sh toolchains

check: .venv/ready-check ## ruff, mypy and clang-format: change nothing, say what is wrong
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@find examples runtime_c targets -name '*.[ch]' | sort | xargs -r .venv/bin/clang-format --dry-run -Werror

.venv/ready-%: pyproject.toml tools/setup.sh
	@tools/setup.sh $*
	@touch $@
