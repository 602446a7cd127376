# What a person does with this repository. `make setup` is done by the others as far as they need it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
SOURCES := connector adapters tests benchmarks wsgi.py

.PHONY: setup run test check docs bench lock

setup: .venv/.dev

run: .venv/.run
	$(BIN)/connector up

# COVERAGE=1, as CI has it, also checks what the tests reach; that takes half as long again.
test: .venv/.dev
ifdef COVERAGE
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 3
	$(BIN)/coverage combine --quiet
	rm -f .coverage.*  # what a killed process left half written
	$(BIN)/coverage report --include='connector/core/*,adapters/*' --skip-covered --fail-under=100
	$(BIN)/coverage report --omit='connector/core/*,adapters/*' --skip-covered --fail-under=90
else
	$(BIN)/python -m pytest -n 3
endif

check: .venv/.dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m connector.cli.docs_pages settings | diff docs/settings.md -
	$(BIN)/python -m connector.cli.docs_pages rules | diff docs/rules.md -
	$(BIN)/python -m connector.mapping.json_schema schema | diff mappings/schema.json -
	$(BIN)/python -m connector.mapping.json_schema keys < mappings/README.md | diff mappings/README.md -

docs: .venv/.dev
	$(BIN)/python -m connector.cli.docs_pages settings > docs/settings.md
	$(BIN)/python -m connector.cli.docs_pages rules > docs/rules.md
	$(BIN)/python -m connector.mapping.json_schema schema > mappings/schema.json
	$(BIN)/python -m connector.mapping.json_schema keys < mappings/README.md > mappings/README.new && mv mappings/README.new mappings/README.md
	$(BIN)/python -m tests.web.answers
	$(BIN)/python -m tests.architecture

bench: .venv/.dev
	$(BIN)/python -m benchmarks

# Pins what pyproject.toml asks for, without the addresses that it was found at.
lock: .venv/.dev
	$(BIN)/uv pip compile $(LOCK) pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile $(LOCK) --extra dev pyproject.toml -o requirements-dev.lock
LOCK := --quiet --universal --python-version 3.11 --no-emit-index-url --no-emit-find-links --no-header --no-annotate

.venv/.run: requirements.lock pyproject.toml
	@echo "Setting up .venv with what the connector needs: once, and after an update; about half a minute."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the libraries of requirements.lock …"
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements.lock
	@echo "Installing the connector …"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

.venv/.dev: .venv/.run requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --requirement requirements-dev.lock
	touch $@
