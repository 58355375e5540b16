# `make` alone says what there is. Everything is installed into .venv and .tox;
# a change of what a target installs from makes it install again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet install --no-compile --constraint constraints.txt
MODEL := fastgan-brain-mri
DEMO := plugins/medigan-model-$(MODEL)
PROJECTS := pyproject.toml constraints.txt $(wildcard plugins/*/pyproject.toml)

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(VENV)/demo ## Set up, generate images with a bundled model, and say where they are
	$(BIN)/medigan generate $(MODEL) -n 16 --seed 7 -o demo/$(MODEL) --overwrite
	$(BIN)/medigan preview $(MODEL) --seed 7 -o demo/$(MODEL)-preview.png

.PHONY: test
test: $(VENV)/tox ## Run all checks: lint, types, tests
	$(BIN)/tox run-parallel --parallel 3 --parallel-live

FUZZ_SECONDS ?= 3600

.PHONY: fuzz
fuzz: $(VENV)/tox ## Try damaged and hostile files on each reader, FUZZ_SECONDS each (an hour)
	MEDIGAN_FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/tox run -e py -- tests/security -k fuzz

.PHONY: lint
lint: $(VENV)/tox ## Check rules and format with ruff
	$(BIN)/tox run -e lint

.PHONY: types
types: $(VENV)/tox ## Check types with mypy
	$(BIN)/tox run -e types

.PHONY: coverage
coverage: $(VENV)/tox ## Run the tests, and say which lines of the hub none of them reaches
	$(BIN)/tox run -e py -- -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report term

.PHONY: lowest
lowest: $(VENV)/tox ## Run the core's tests with the lowest versions that are allowed
	$(BIN)/tox run -e lowest

.PHONY: radiomics
radiomics: $(VENV)/tox ## Test radiomic features; pyradiomics is built for it, with a C compiler
	$(BIN)/tox run -e radiomics

.PHONY: format
format: $(VENV)/tox ## Bring the code into its format, and mend what ruff can mend
	$(BIN)/tox exec -e lint -- ruff check --fix
	$(BIN)/tox exec -e lint -- ruff format

.PHONY: facts
facts: $(VENV)/tox ## Write anew what follows from the models' metadata.json: catalogue, tables, packages
	$(BIN)/tox exec -e lint -- python docs/facts.py

.PHONY: models
models: $(VENV)/models ## Install all bundled models and their frameworks: PyTorch, TensorFlow, ONNX

.PHONY: benchmark
benchmark: $(VENV)/models ## Measure how fast the hub is
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/search.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/frameworks.py
	$(BIN)/python benchmarks/datasets.py
	$(BIN)/python benchmarks/inputs.py
	$(BIN)/python benchmarks/extractors.py
	$(BIN)/python benchmarks/app.py
	$(BIN)/python benchmarks/evaluation.py
	$(BIN)/python benchmarks/metrics.py
	$(BIN)/python benchmarks/intervals.py
	$(BIN)/python benchmarks/privacy.py

.PHONY: screenshots
screenshots: $(VENV)/models ## Take the pictures of the app that stand in docs/app.md, in Chromium
	$(BIN)/python docs/screenshots.py

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf $(VENV) .tox demo build dist .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: $(BIN)/python pyproject.toml constraints.txt $(DEMO)/pyproject.toml
	$(PIP) --editable . --editable './$(DEMO)[onnx]'
	@touch $@

$(VENV)/models: $(BIN)/python $(PROJECTS)
	$(PIP) playwright --editable '.[torch,tensorflow-cpu,onnx,dicom,nifti,evaluation,app]' $(patsubst %/pyproject.toml,--editable ./%,$(wildcard plugins/*/pyproject.toml))
	@touch $@

$(VENV)/tox: $(BIN)/python constraints.txt
	$(PIP) tox
	@touch $@
