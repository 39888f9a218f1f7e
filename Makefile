# One command per chore. `make run` and `make test` work as the first command on a fresh machine.
PY ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip
CORES ?= $(shell nproc 2>/dev/null || echo 2)
GPU ?= $(shell nvidia-smi -L 2>/dev/null | grep -c '^GPU')
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --resources gpu=$(GPU)

# An installation without any package index, from what `make wheelhouse` gathered: make install OFFLINE=1
ifdef OFFLINE
export PIP_NO_INDEX := 1
export PIP_FIND_LINKS := $(CURDIR)/wheelhouse
UVFLAGS := --offline --no-index --find-links wheelhouse
endif

.PHONY: run view site unlock test test-kill test-slurm bench bench-scale bench-gpu lint docs env install wheelhouse lock clean

run: $(VENV)/.stamp  ## the default experiment, through every rule, to results/report.html
	@$(BIN)/python workflow/scripts/unlock.py
	@$(SNAKEMAKE) $(ARGS)
	@echo "Report: $(CURDIR)/results/report.html"

test: $(VENV)/.stamp  ## every test; what it needs beyond Python is listed in the README
	@$(BIN)/python -m pytest $(ARGS)

unlock: $(VENV)/.stamp  ## after a kill: clear the lock and end jobs that live on (make run does it by itself)
	@$(BIN)/python workflow/scripts/unlock.py

N ?= 50
test-kill: $(VENV)/.stamp  ## N random kills of a whole run; the results must be byte-identical
	@KILLS=$(N) $(BIN)/python -m pytest -n 0 -s tests/workflow/test_kill.py $(ARGS)

test-slurm: $(VENV)/.stamp  ## on a real SLURM of two nodes on this machine, which is started (and installed, as root)
	@$(BIN)/python -m pytest -n 0 -s -m slurm tests/cluster $(ARGS)

bench: $(VENV)/.stamp  ## side by side with what users would pick instead
	@OMP_NUM_THREADS=1 $(BIN)/python benchmarks/run.py $(ARGS)

bench-scale: $(VENV)/.stamp  ## how prediction grows with volume and slabs, and what planning many of them takes
	@$(BIN)/python benchmarks/scale.py $(ARGS)

lint: $(VENV)/.stamp
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow/rules
	$(BIN)/snakemake --lint

bench-gpu: $(VENV)/.stamp  ## what a GPU does with the full network, beside the bare network, peers and its matrix units
	@$(BIN)/python benchmarks/gpu.py

docs: $(VENV)/.stamp  ## regenerate the pages and pictures that are made from schema, tests and library
	$(BIN)/python docs/generate.py

site: $(VENV)/.stamp  ## the documentation as a site, in build/site; broken links are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

view: $(VENV)/.stamp  ## results in the browser: make view ARGS="--configfile mine.yaml"
	@$(SNAKEMAKE) view $(ARGS)

env install: $(VENV)/.stamp

# torch comes first and by pip, so that pip's own configuration decides between a CPU and a CUDA build;
# everything else is locked with hashes and installed without resolving, so nothing can replace it. It is compiled once
# here: where Python may not write beside the packages (containers, shared installations), each job would compile it anew.
$(VENV)/.stamp: requirements/torch.txt requirements/lock.txt
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "unetflow needs Python >= 3.11; name one with: make PY=python3.11"; exit 1; }
	$(PY) -m venv $(VENV)
	$(BIN)/python -m pip install -q uv==0.13.9
	$(BIN)/python -m pip install -q -r requirements/torch.txt
	$(UV) install -q $(UVFLAGS) --python $(BIN)/python --no-deps --require-hashes --compile-bytecode \
	  -r requirements/lock.txt
	$(UV) check --python $(BIN)/python
	@touch $@

# Wheels for the Python that is named, on Linux. FLAVOUR=cpu takes PyTorch's small build without CUDA; otherwise pip's
# own configuration decides, as for `make env`.
PYTHON ?= $(shell $(PY) -c 'import platform; print(platform.python_version())')
WHEELS := --python-version $(PYTHON) --implementation cp --dest wheelhouse \
  $(addprefix --platform manylinux_2_,28_x86_64 27_x86_64 24_x86_64 17_x86_64 12_x86_64 5_x86_64) \
  --platform manylinux2014_x86_64 --platform linux_x86_64
wheelhouse:  ## all that `make install OFFLINE=1` needs on a machine without a network; PYTHON=3.12.0 for another
	$(PY) -m pip download -q $(WHEELS) --only-binary :all: pip setuptools wheel uv==0.13.9
	$(PY) -m pip download -q $(WHEELS) --only-binary :all: $(if $(filter cpu,$(FLAVOUR)),--index-url https://download.pytorch.org/whl/cpu) \
	  -r requirements/torch.txt
	$(PY) -m pip download -q $(WHEELS) --no-deps --require-hashes -r requirements/lock.txt

lock: $(VENV)/.stamp  ## pin every dependency anew
	$(UV) compile requirements/core.in --excludes requirements/exclude.txt --python-version 3.11.7 \
	  --python-platform x86_64-manylinux_2_28 --generate-hashes --no-annotate --no-header -q -o requirements/lock.txt

clean:  ## remove results, logs and figures of speed; downloads and the environment stay
	rm -rf results logs benchmarks/jobs .snakemake
