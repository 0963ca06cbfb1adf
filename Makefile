# Two commands for a newcomer: `make demo` and `make test`. Both set up .venv by themselves.
# Pass options through ARGS, e.g. `make demo ARGS=--quick` or `make test ARGS="tests/edge -x"`.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: help demo test check bench fuzz firmware bluez runtimes pack clean

help:
	@echo "make demo    the whole loop on a simulated cohort and real ECG (demo/report.html)"
	@echo "make test    the test suite"
	@echo "make check   lint, format, types, spelling"
	@echo "make bench   the shorter benchmarks of benchmarks/"
	@echo "make fuzz    damaged frames through every decoder, then 10 minutes of atheris"
	@echo "make firmware  the C side: compilers, sanitizers, fuzzer (FUZZ_S=600 for ten minutes)"
	@echo "make bluez   the real BlueZ and kernel in a QEMU guest"
	@echo "make runtimes  one pack on four runtimes, two of which time has passed by"
	@echo "make pack    rebuild the demo pack that ships inside the package"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Python {v[0]}.{v[1]} is too old: leadlab needs 3.11 or newer. Try make PYTHON=python3.12" if v < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

# One stamp an extra: the demo needs no test tools.
$(VENV)/.demo $(VENV)/.dev: $(VENV)/.%: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$*]'
	@touch $@

demo: $(VENV)/.demo
	$(BIN)/leadlab demo $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

bench: $(VENV)/.dev
	for name in decoders signal_path simulator train_throughput; do \
		$(BIN)/python benchmarks/$$name.py || exit 1; done

fuzz: $(VENV)/.dev
	nice $(BIN)/python fuzz/decoders.py $(ARGS)
	test -x .venv-fuzz/bin/python || $(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/pip install --quiet numpy atheris
	PYTHONPATH=firmware_bridge nice .venv-fuzz/bin/python fuzz/atheris_decoders.py -max_total_time=600 -max_len=1200

firmware: $(VENV)/.dev
	PYTHON=$(BIN)/python firmware_bridge/check_c.sh

bluez: $(VENV)/.dev
	tests/bluez/run.sh $(ARGS)

runtimes: $(VENV)/.dev
	$(BIN)/python tests/runtimes/run.py $(ARGS)

pack: $(VENV)/.demo
	$(BIN)/leadlab demo --ship edge/leadlab_edge/packs/demo.leadpack $(ARGS)

clean:
	rm -rf $(VENV) .venv-fuzz build dist demo runs
