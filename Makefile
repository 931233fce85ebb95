# The contributor's commands. `make help` lists them; all of them start from Python and pip alone.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready
# What the demo needs of the extras; `make install` has it too.
DEMO_READY = $(VENV)/.ready-demo
# Test processes that run at once. Each may load tensorflow and take 2 GB of memory.
WORKERS ?= auto
PARALLEL = --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal
BENCH = -m pytest benchmarks/suite --benchmark-only --benchmark-warmup=on --benchmark-max-time=0.5
# The packages that have wheels for some platforms only.
WHEELS = ai-edge-litert onnxruntime openvino tensorflow tensorflow-cpu
PLATFORMS = x86_64-manylinux_2_28 aarch64-manylinux_2_39 x86_64-pc-windows-msvc aarch64-apple-darwin

.PHONY: help install check format test test-slow bench bench-compare arm64 builtin check-constraints check-package demo clean

help:  ## list these commands
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

install: $(READY)  ## create .venv with the tested versions

$(READY): setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

$(DEMO_READY): setup.cfg constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -f $(READY) || $(BIN)/python -m pip install --quiet --upgrade pip
	test -f $(READY) || $(BIN)/python -m pip install --quiet --constraint constraints.txt \
		--editable ".[train-cpu,export]"
	@touch $@

check: $(READY)  ## format, lint, types and tests: what a change must pass
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(MAKE) test

format: $(READY)  ## format the code and mend what the linter can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: $(READY)  ## run the tests, as CI does; ARGS="tests/train -k study" selects some
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL) $(ARGS)

test-slow: $(READY)  ## run the tests that take minutes each
	$(BIN)/python -m pytest -m slow --timeout 0 $(ARGS)

bench: $(READY)  ## run the pytest-benchmark suite once; writes .benchmarks/ci.json
	mkdir -p .benchmarks
	$(BIN)/python $(BENCH) --benchmark-columns=median,iqr,rounds \
		--benchmark-json=.benchmarks/ci.json $(ARGS)

bench-compare: $(READY)  ## run the suite three times and compare with the baseline of a like machine
	mkdir -p .benchmarks && rm -f .benchmarks/pass-*.json
	for pass in 1 2 3; do $(BIN)/python $(BENCH) --quiet --benchmark-columns=median \
		--benchmark-json=.benchmarks/pass-$$pass.json || exit 1; done
	$(BIN)/python -m alledge.benchmarks.internal.baseline_comparison .benchmarks/pass-*.json $(ARGS)

arm64: $(READY)  ## install int8 and float32 packs offline on emulated arm64, and compare them
	PYTHON=$(BIN)/python sh devices/pack/emulated_arm64.sh

builtin: $(READY)  ## make the built-in bundle; ALL_IDB1=DIR PBC=DIR [WEIGHTS=FILE] [SEED=0]
	$(BIN)/python -m alledge.export.builtin \
		$(if $(ALL_IDB1),--all-idb1 $(ALL_IDB1)) $(if $(PBC),--pbc $(PBC)) \
		$(if $(WEIGHTS),--weights $(WEIGHTS)) $(if $(SEED),--seed $(SEED)) $(ARGS)

check-constraints: $(READY)  ## resolve constraints.txt for 3.10 to 3.13 on every tested platform
	for version in 3.10 3.11 3.12 3.13; do for platform in $(PLATFORMS); do \
		echo "Python $$version, $$platform"; \
		MACOSX_DEPLOYMENT_TARGET=15.0 $(BIN)/uv pip compile --quiet setup.cfg --extra dev \
			--python-version $$version --python-platform $$platform --constraint constraints.txt \
			$(addprefix --only-binary ,$(WHEELS)) > /dev/null || exit 1; \
	done; done

check-package: $(READY)  ## build sdist and wheel, check them, resolve every extra everywhere
	$(BIN)/python -m pytest -m slow --timeout 0 tests/test_packaging.py $(ARGS)

demo: $(DEMO_READY)  ## run every step on generated smears, in minutes; ARGS=--full trains a network
	$(BIN)/alledge demo --out demo $(ARGS)

clean:  ## delete everything that can be built again
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
