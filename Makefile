PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# 1 installs PyTorch too, 0 does not. The default is 1 if the library of an NVIDIA driver can be
# loaded.
ifndef GPU
GPU := $(shell $(PYTHON) -c 'import ctypes; ctypes.CDLL("libcuda.so.1")' 2>/dev/null && echo 1 || echo 0)
endif
ifeq ($(filter 0 1,$(GPU)),)
$(error GPU is $(GPU); allowed are 0 and 1)
endif

SERVING := $(VENV)/$(if $(filter 1,$(GPU)),gpu,run).stamp
PIP_INSTALL := $(BIN)/python -m pip install --no-compile --constraint constraints.txt --editable
# pip would compile on one core, and take twice as long. A file that is not for this Python, such as
# a template, is no reason to stop.
COMPILE := $(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
# Without these glibc would return the memory of each test's tensors to the kernel, and ask for it
# again: an eighth of the time.
MALLOC := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4000000000
# A process tests on each core: more threads than cores wait for one another.
PYTEST := $(MALLOC) OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: run install test test-all lint catalogues constraints clean help

run: $(SERVING)  ## the web chat, and each platform whose token is in .env; GPU=0 or GPU=1 overrides the choice
	exec $(BIN)/python -m bot

install: $(SERVING)  ## what `make run` installs, without starting anything

test: lint  ## lint, types and tests, as CI runs them
	$(PYTEST)

test-all: lint $(VENV)/cluster.stamp  ## the same with coverage, Ray, the long versions of the tests and a real installation
	TEST_ALL=1 $(PYTEST) --cov

lint: $(VENV)/dev.stamp  ## style, spelling, dependencies and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/typos
	$(BIN)/deptry .
	$(BIN)/mypy --num-workers auto

# Wrapped at no width, and without line numbers, so that a change of one sentence changes one line.
catalogues: $(VENV)/dev.stamp  ## bring the translations in bot/locale and captioner/locale up to date
	@for package in bot captioner; do \
		$(BIN)/pybabel -q extract --keywords Sentence --keywords counted:1,2 --no-location --width 100 \
			--output $(VENV)/$$package.pot $$package && \
		$(BIN)/pybabel -q update --no-fuzzy-matching --ignore-pot-creation-date --ignore-obsolete --width 100 \
			--domain $$package --input-file $(VENV)/$$package.pot --output-dir $$package/locale && \
		$(BIN)/pybabel compile --domain $$package --directory $$package/locale || exit 1; done

constraints: | $(BIN)/python  ## pin the newest versions of all that pyproject.toml allows
	$(BIN)/python -m pip install --quiet uv
	@{ sed -n '/^#/p' constraints.txt; $(BIN)/uv pip compile --quiet --universal --upgrade \
		--python-version 3.11 --all-extras --no-header --no-annotate pyproject.toml; \
		} > $(VENV)/constraints.txt
	@mv $(VENV)/constraints.txt constraints.txt

clean:  ## remove the environment and whatever tools left
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))' 2>&1 | grep -qx True || \
		{ echo 'Python 3.11 or newer is needed; name one with: make PYTHON=python3.12'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo 'On Debian and Ubuntu: apt install python3-venv'; exit 1; }

# The sizes are those of Python 3.11 on Linux: of the wheels, and of .venv with them.
$(VENV)/run.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing the bot with ONNX Runtime: 95 MB to download, 370 MB in $(VENV).'
	$(PIP_INSTALL) '.[bot]'
	@$(COMPILE)
	@touch $@

$(VENV)/gpu.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing the bot with PyTorch for CUDA: 2.8 GB to download, 5 GB in $(VENV).'
	@echo 'GPU=0 installs 370 MB, and leaves the GPU alone.'
	$(PIP_INSTALL) '.[bot,gpu]'
	@$(COMPILE)
	@touch $@ $(VENV)/run.stamp

$(VENV)/dev.stamp: pyproject.toml constraints.txt | $(BIN)/python
	@echo 'Installing the bot, PyTorch and the development tools: 0.4 GB to download and 1.4 GB in'
	@echo '$(VENV) with a CPU build of PyTorch, 3 GB and 6 GB with CUDA.'
	$(PIP_INSTALL) '.[dev]'
	@$(COMPILE)
	@touch $@ $(VENV)/gpu.stamp $(VENV)/run.stamp

$(VENV)/cluster.stamp: $(VENV)/dev.stamp
	@echo 'Installing Ray: 0.2 GB to download.'
	$(PIP_INSTALL) '.[cluster]'
	@touch $@
