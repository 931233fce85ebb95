# The whole contributor loop. `make test` and `make demo` start from nothing but Python and pip.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: help install test test-slow bench arm64 bench-compare check format check-constraints demo clean

help:  ## this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

install: $(READY)  ## make .venv with the tested versions

$(READY): setup.cfg constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	@touch $@

test: $(READY)  ## the test suite, as CI runs it
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-slow: $(READY)  ## what takes minutes rather than seconds
	$(BIN)/python -m pytest -m slow --timeout 0 $(ARGS)

bench: $(READY)  ## the pytest-benchmark suite, in a short form; its JSON is .benchmarks/ci.json
	mkdir -p .benchmarks
	$(BIN)/python -m pytest benchmarks/suite --benchmark-only --benchmark-warmup=on \
		--benchmark-max-time=0.5 --benchmark-columns=median,iqr,rounds \
		--benchmark-json=.benchmarks/ci.json $(ARGS)

bench-compare: $(READY)  ## three passes of the suite against the baseline of a like machine
	mkdir -p .benchmarks && rm -f .benchmarks/pass-*.json
	for pass in 1 2 3; do $(BIN)/python -m pytest benchmarks/suite --quiet --benchmark-only \
		--benchmark-warmup=on --benchmark-max-time=0.5 --benchmark-columns=median \
		--benchmark-json=.benchmarks/pass-$$pass.json || exit 1; done
	$(BIN)/python -m alledge.benchmarks.internal.baseline_comparison .benchmarks/pass-*.json $(ARGS)

arm64: $(READY)  ## int8 and float32 packs installed offline on emulated arm64, and compared
	PYTHON=$(BIN)/python sh devices/pack/emulated_arm64.sh

check: $(READY)  ## format, lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(MAKE) test

format: $(READY)  ## put the code into the house's form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check-constraints: $(READY)  ## a dry run: the constraints resolve for 3.10 to 3.13
	for version in 3.10 3.11 3.12 3.13; do for platform in linux windows; do \
		echo "Python $$version, $$platform"; \
		$(BIN)/uv pip compile --quiet setup.cfg --extra dev --python-version $$version \
			--python-platform $$platform --constraint constraints.txt > /dev/null || exit 1; \
	done; done

demo: $(READY)  ## the whole way on generated smears, within minutes
	$(BIN)/alledge demo --out demo

clean:  ## everything that can be made again
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
