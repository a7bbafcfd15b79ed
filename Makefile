# `make demo` and `make test` each do everything from a bare clone: own virtual environment, build, run.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CC ?= gcc
SOURCES := setup.py pyproject.toml $(wildcard $(foreach room,gateway gateway/router,$(addprefix $(room)/*.,pyx pxd pxi)))

.PHONY: demo test lint bench sanitize nightly clean
.DEFAULT_GOAL := demo

demo: $(VENV)/built
	$(BIN)/gateway demo

test: $(VENV)/built
	$(BIN)/python -m pytest

lint: $(VENV)/built
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest gateway._fastpath gateway.router._roads

bench: $(VENV)/built
	$(BIN)/gateway bench run --json

# Every format under ASan and UBSan, in a tree of its own: so many damaged frames for every kernel, so many for every other decoder.
sanitize: export GATEWAY_FUZZ_NATIVE_CASES ?= 12500000
sanitize: export GATEWAY_FUZZ_CASES ?= 100000
sanitize: export ASAN_OPTIONS ?= detect_leaks=0
sanitize: $(VENV)/built
	rm -rf build/sanitize
	mkdir -p build/sanitize
	cp -r gateway tests setup.py pyproject.toml README.md LICENSE build/sanitize
	find build/sanitize -name '*.so' -delete
	cd build/sanitize && GATEWAY_SANITIZE=1 $(abspath $(BIN))/python setup.py -q build_ext --inplace --force
	cd build/sanitize && LD_PRELOAD=$$($(CC) -print-file-name=libasan.so) PYTHONMALLOC=malloc \
		$(abspath $(BIN))/python -m pytest --timeout=0 -v --durations=0 \
		tests/property/test_native_fuzz.py tests/property/test_references_survive.py

# The same tests with larger numbers, for hours; each number can be set on the command line.
nightly: export GATEWAY_NIGHTLY ?= 1
nightly: export GATEWAY_KILLS ?= 10000
nightly: export GATEWAY_SIM_SEEDS ?= 1:20000
nightly: export GATEWAY_FUZZ_CASES ?= 10000000
nightly: $(VENV)/built
	env -u GATEWAY_FUZZ_CASES $(MAKE) sanitize
	$(BIN)/python -m pytest --timeout=0

$(VENV)/built: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel "Cython>=3.2"
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable ".[test]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info gateway/_fastpath.c gateway/router/_roads.c
	find gateway -name '*.so' -delete
