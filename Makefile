# The two commands of the README: `make train` and `make test`. Both set the machine up first.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RECIPE := requirements/cpu.txt requirements/constraints-cpu.txt pyproject.toml
# On a machine with an NVIDIA GPU the CUDA builds are taken from the index instead.
ifeq ($(shell command -v nvidia-smi),)
INSTALL := -r requirements/cpu.txt
else
INSTALL := -e '.[dev,train,vllm,lora,view,parquet]'
endif

.PHONY: setup train test lint

setup: $(VENV)/.stamp

$(VENV)/.stamp: $(RECIPE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(INSTALL)
	touch $@

train: setup
	$(BIN)/agentgym train $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/python -m pip check
	$(BIN)/python -m pytest $(ARGS)
