PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test constraints clean

run: $(VENV)/run.stamp  ## the web chat, and each platform whose token is in .env
	exec $(BIN)/python -m bot

test: $(VENV)/dev.stamp  ## lint, types and tests, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest --cov

constraints: | $(BIN)/python  ## pin the newest versions of all that pyproject.toml allows
	$(BIN)/python -m pip install --quiet uv
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/uv pip compile --quiet --universal --upgrade \
		--python-version 3.11 --all-extras --no-header --no-annotate pyproject.toml; \
		} > $(VENV)/constraints.txt
	@mv $(VENV)/constraints.txt constraints.txt

clean:  ## remove the environment and whatever tools left
	rm -rf $(VENV) *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed; name one with: make PYTHON=python3.12'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo 'On Debian and Ubuntu: apt install python3-venv'; exit 1; }

$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bot]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/run.stamp
