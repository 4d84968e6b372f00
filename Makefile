# Needs make and a Python >= 3.11; everything else goes into .venv (with uv where it is installed).
# Choose another Python with: make PYTHON=/path/to/python3.12 demo

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
DEMO := runs/demo
FAST := not slow and not gpu and not viewer
INSTALL := $(if $(UV),uv pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet)

.PHONY: help demo test test-slow check lint docs notebooks licences format constraints clean

help:
	@echo "make demo       train an arm on the CPU, measure it, draw its curve, film it ($(DEMO))"
	@echo "make test       the tests"
	@echo "make test-slow  the tests that take minutes"
	@echo "make check      format, lint, types, imports, tests"
	@echo "make docs       the documentation as a site (build/site)"
	@echo "make format     bring the code into the house's format"

# The environment is made anew whenever what it is made of changes.
.venv/.runtime: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 found: looked for python3.13, python3.12, \
	python3.11, python3. Install one, or run: make PYTHON=/path/to/python"; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo \
	"PYTHON=$(PYTHON) is not a Python >= 3.11. Name another one: make PYTHON=/path/to/python"; \
	exit 2; }
	rm -rf .venv
ifneq ($(UV),)
	uv venv --quiet --python "$$("$(PYTHON)" -c 'import sys; print(sys.executable)')" .venv
else
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual \
	environments. On Debian or Ubuntu: apt-get install python3-venv"; exit 2; }
	"$(PYTHON)" -m venv .venv
	$(INSTALL) 'pip>=25.1'
endif
	$(INSTALL) --constraint constraints.txt --editable .
	@touch $@

.venv/.dev: .venv/.runtime
	$(INSTALL) --constraint constraints.txt --editable '.[dev]' --group docs
	@touch $@

# On the CPU also where there is an accelerator: the demo shows what every machine can do.
demo: export JAX_PLATFORMS := cpu
demo: .venv/.runtime
	rm -rf $(DEMO)
	$(BIN)/robot-gcrl train --task arm_reach --preset laptop --engine native --run $(DEMO)
	$(BIN)/robot-gcrl plot $(DEMO) --out $(DEMO)/curve.png
	@# Exit code 2 with the figures written: a line has said why there is no film
	$(BIN)/robot-gcrl evaluate $(DEMO) --beside --out $(DEMO)/evaluation.json \
	--video $(DEMO)/video.mp4 || { test $$? -eq 2 && test -s $(DEMO)/evaluation.json; }
	@ls $(DEMO)/evaluation.json $(DEMO)/curve.png
	@ls $(DEMO)/video.mp4 2>/dev/null || true

# Most tests compile, one program on one core; those that keep time are for themselves.
test: .venv/.dev
	@failed=0; \
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --durations 15 -m "$(FAST) and not alone" || failed=1; \
	$(BIN)/python -m pytest --durations 15 -m "$(FAST) and alone" || failed=1; \
	exit $$failed

test-slow: .venv/.dev
	$(BIN)/python -m pytest -m slow

check: lint test

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory docs

# A link or an anchor that leads nowhere, and a page that no menu names, are errors (mkdocs.yml).
docs: export NO_MKDOCS_2_WARNING := 1
docs: export DISABLE_MKDOCS_2_WARNING := true
docs: .venv/.dev
	$(BIN)/python -m mkdocs --quiet build
	@echo "build/site/index.html"

# Runs them and keeps what they show, which is what the site shows.
notebooks: .venv/.dev
	$(BIN)/python tools/notebooks.py

licences: .venv/.dev
	$(BIN)/python tools/licences.py

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

constraints:
	@test -n "$(UV)" || { echo "make constraints needs uv: pip install uv"; exit 2; }
	{ echo "# What CI and the extras install, for Python 3.11 to 3.13. Written by \`make constraints\`."; \
	uv pip compile --quiet --universal --upgrade --python-version 3.11 --all-extras --group docs \
	--no-header --no-annotate pyproject.toml | grep -v "== 'win32'"; } > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf .venv build dist
