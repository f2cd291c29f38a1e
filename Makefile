# make demo | test | test-all | torture | golden | fuzz | bench | lint | docs | example | lock. Everything is installed into .venv, nothing elsewhere.
VENV ?= .venv
WORKERS ?= 2
BIN := $(VENV)/bin
ifneq ($(words $(VENV)),1)
$(error VENV is "$(VENV)": give the path of a folder, without a space)
endif

# That of the environment, if it is there, else the newest that the lock is tested with.
PYTHON ?= $(shell sh install/find_python.sh $(VENV))

# Which PyTorch: the lock's, which on Linux brings CUDA; with CPU=1 PyTorch's own build without it; or,
# with TORCH=there, the one that PYTHON has already. An environment keeps what it was made with.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
MADE_WITH := $(or $(shell cat $(VENV)/.torch 2> /dev/null),$(if $(wildcard $(VENV)/.installed),locked))
TORCH ?= $(or $(if $(filter 1,$(CPU)),cpu),$(MADE_WITH),locked)
ifeq ($(filter locked cpu there,$(TORCH)),)
$(error TORCH is "$(TORCH)": it may be locked, cpu or there)
endif
ifneq ($(filter-out $(TORCH),$(MADE_WITH)),)
$(error $(VENV) was made with another PyTorch ($(MADE_WITH)); remove it first: rm -r $(VENV))
endif

# An environment whose Python is gone is made anew; one that was moved or copied is mended.
ifneq ($(wildcard $(VENV)/.installed),)
ifneq ($(shell test -x $(BIN)/python || echo gone),)
.PHONY: $(VENV)/.packages-installed
else ifneq ($(shell cat $(VENV)/.installed),$(realpath $(VENV)))
.PHONY: $(VENV)/.installed
endif
endif

# annoy has no wheels, and its own flags (-march=native -ffast-math) make a module that may crash on
# another machine that shares this folder, as cluster nodes do. These run anywhere.
export ANNOY_COMPILER_ARGS ?= -O3,-std=c++14,-fpermissive,-DANNOYLIB_MULTITHREADED_BUILD

.PHONY: demo test test-library golden test-all test-beyond test-slurm test-s3 test-isolated test-container torture fuzz bench lint docs example lock clean

demo: $(VENV)/.installed
	@$(BIN)/python install/check_machine.py
	$(BIN)/snakemake --cores all --configfile config/demo.yaml

# By file, as tests of one file share a run of the workflow, and whole runs first: what is short fills
# the end.
test: $(VENV)/.test-installed
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
		tests/workflow tests/browser tests/unit

# The library without what needs PyTorch, and without pages and installation, for a second Python: with
# TORCH=there and a VENV of its own. Left out too is what takes long and is the same on each: how fast
# names are matched, full disks, the lock, and which packages are imported. `make test` has these.
test-library: $(VENV)/.installed
	$(PIP) $(shell grep -E '^(pytest|hypothesis)' requirements-test.txt) -r requirements-faiss.txt
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile tests/unit \
		$(patsubst %,--ignore tests/unit/%,detect embed report install core/test_fuzz.py \
		data/test_large_pictures.py search/test_own_pictures.py workflow/test_imports.py \
		workflow/test_supply_chain.py) \
		$(patsubst %,--deselect tests/unit/%,\
		fetch/test_matching.py::test_a_hundred_thousand_names_take_seconds \
		index/test_index.py::test_no_room_for_an_index_is_said_in_one_line \
		settings/test_configuration.py::test_categories_are_those_of_coco)

# All tests there are.
test-all: test torture fuzz test-beyond test-slurm test-s3 test-isolated test-container

# More of use as a module, deployed or from git, and the installation from an index of small packages.
test-beyond: $(VENV)/.test-installed
	$(BIN)/python -m pytest -m beyond -n $(WORKERS) --dist loadfile

# Every rule in an environment of its own: by conda where there is one, else from PyPI (3 GB once).
test-isolated: $(VENV)/.test-installed
	$(BIN)/python -m pytest -m isolated

# On a cluster of one node on this machine, of Debian's packages: root installs what is missing.
test-slurm: $(VENV)/.test-installed
	@for program in slurmctld slurmd sbatch munged; do \
		PATH=$$PATH:/usr/sbin command -v $$program > /dev/null || missing=1; \
	done; [ -z "$$missing" ] || \
		{ [ "$$(id -u)" = 0 ] && apt-get -qq update && DEBIAN_FRONTEND=noninteractive \
			apt-get -qq install --no-install-recommends slurm-wlm munge > /dev/null; } || \
		echo "SLURM could not be installed: NOT TESTED ON SLURM"
	$(BIN)/python -m pytest -m slurm

# The whole of the slow matrices that `make test` samples, and more random inputs.
torture: $(VENV)/.test-installed
	$(BIN)/python -m pytest -m torture -n $(WORKERS) --dist worksteal
	$(BIN)/python -m pytest --hypothesis-profile torture tests/unit/*/test_any_*.py

# The image, built and run, by a Docker that runs or, as root, one of its own: 20 GB of disk.
test-container: $(VENV)/.test-installed
	$(BIN)/python -m pytest -m container

# Whole runs with results, pictures and weights in a bucket of a local server, and jobs elsewhere.
test-s3: $(VENV)/.test-installed
	$(BIN)/python -m pytest -m s3 -n $(WORKERS) --dist loadfile

# Hashes of all results of two real runs: `make golden` notes them, and compares with the last note.
GOLDEN := results/golden
golden: $(VENV)/.test-installed
	mkdir -p $(GOLDEN)
	$(BIN)/python tests/golden.py $(GOLDEN)/now.tsv $(wildcard $(GOLDEN)/before.tsv)
	@[ -e $(GOLDEN)/before.tsv ] || cp $(GOLDEN)/now.tsv $(GOLDEN)/before.tsv

# Broken files by the thousand, a minute for each parser; `.venv/bin/python tests/fuzz.py --help`.
fuzz: $(VENV)/.test-installed
	$(BIN)/python tests/fuzz.py

# The tables of docs/performance.md, one after another: a reduced form, or with FULL=1 the whole.
bench: SHELL := /bin/bash
bench: .SHELLFLAGS := -o pipefail -c
bench: export PYTHONUNBUFFERED := 1
bench: $(VENV)/.installed
	mkdir -p results/benchmarks
	$(call measured,detection,--parts)
	$(call measured,embedding)
	$(call measured,reduction)
	$(call measured,persons)
	$(call measured,indexes)
	$(call measured,workflow)
	$(call measured,explorer)

measured = $(BIN)/python benchmarks/$(1).py $(if $(FULL),$(2),--quick) | tee results/benchmarks/$(1).txt

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/oxlint --deny-warnings .

# config/README.md and the schema, from visualsearch/settings.
docs: $(VENV)/.installed
	PYTHONPATH=workflow/scripts $(BIN)/python -m visualsearch.settings.reference

# docs/example from the demo, without what a clock measured: made anew, it changes only where
# results do. It needs requirements-notebook.txt.
example: $(VENV)/.test-installed
	$(BIN)/snakemake all notebook --cores all --configfile config/demo.yaml \
		--config pathvars='{results: results/example}' report='{timings: false, explorer: false}'
	rm -rf docs/example/figures
	mkdir docs/example/figures
	cp results/example/report/figures/* docs/example/figures
	cp results/example/report/report.md results/example/notebook/walkthrough.ipynb docs/example

# requirements-lock.txt (every package that requirements.txt brings along, with hashes) and the table of
# licences. Run it after a change of requirements.txt; UPGRADE=1 takes the newest versions of the rest.
UV := $(shell grep '^uv==' requirements-test.txt)
lock: export UV_CUSTOM_COMPILE_COMMAND := make lock
lock:
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/pip install --quiet $(UV)
	$(VENV)/lock/bin/uv pip compile --quiet --no-config --default-index https://pypi.org/simple \
		--universal --python-version 3.11 --generate-hashes --no-annotate \
		$(if $(UPGRADE),--upgrade) requirements.txt --output-file requirements-lock.txt
	$(MAKE) $(VENV)/.installed
	$(BIN)/python docs/licences.py > docs/licences.md.new
	mv docs/licences.md.new docs/licences.md

clean:
	rm -rf $(VENV) .snakemake
	find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

# The library itself, as it lies here: `import visualsearch`, and the command `visualsearch`.
$(VENV)/.installed: $(VENV)/.packages-installed pyproject.toml
	$(BIN)/python install/mend_scripts.py $(VENV)
	$(PIP) --no-index --no-deps --no-build-isolation --editable .
	echo $(realpath $(VENV)) > $@

# Only the files that the lock names. What must be compiled, as annoy, and openTSNE on aarch64, is with
# the locked setuptools, Cython and numpy (--no-build-isolation), as pip would otherwise fetch others.
PIP := $(BIN)/python -m pip install --quiet
LOCKED := $(PIP) --require-hashes --use-pep517 --no-build-isolation
$(VENV)/.packages-installed: requirements-lock.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
		|| { echo "Python 3.11, 3.12, 3.13 or 3.14 is needed; name it: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) install/check_machine.py --install $(VENV) --torch $(TORCH)
	$(BIN)/python -m pip --version > /dev/null 2>&1 \
		|| $(PYTHON) -m venv --clear $(VENV_$(TORCH)) $(VENV)
	echo $(TORCH) > $(VENV)/.torch
	sed -n -E '/^(setuptools|cython|numpy)==/,/[^\]$$/p' requirements-lock.txt > $(VENV)/compiling.txt
	sed -n '/^annoy==/,/[^\]$$/p' requirements-lock.txt > $(VENV)/annoy.txt
	$(LOCKED) -r $(VENV)/compiling.txt
	@# Not from pip's cache, nor into it: a wheel in it may have been built with other flags.
	$(LOCKED) --no-cache-dir --no-binary annoy -r $(VENV)/annoy.txt
	$(INSTALL_$(TORCH))
	touch $@

# With the packages of PYTHON, its pip too where the system has split venv, as on Colab.
VENV_there = --system-site-packages $(shell $(PYTHON) -c 'from ensurepip import version' 2> /dev/null || echo --without-pip)

define INSTALL_locked
$(LOCKED) -r requirements-lock.txt
endef

# All but PyTorch and what it brings for GPUs.
define INSTALL_there
sed -E '/^(torch|triton|nvidia-|cuda-)/,/[^\]$$/d' requirements-lock.txt > $(VENV)/rest.txt
$(LOCKED) -r $(VENV)/rest.txt
endef

# The hashes of these files are not in the lock. Those for macOS have no name of their own.
define INSTALL_cpu
sed -n 's/^\(torch[a-z]*==[^ ]*\).*/\1$(if $(filter Linux,$(shell uname)),+cpu)/p' requirements-lock.txt > $(VENV)/torch.txt
$(PIP) --no-deps --index-url $(TORCH_INDEX) -r $(VENV)/torch.txt
$(INSTALL_there)
endef

$(VENV)/.test-installed: $(VENV)/.installed $(wildcard requirements-*.txt)
	$(PIP) -r requirements-test.txt
	touch $@
