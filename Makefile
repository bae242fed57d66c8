# make demo     sets up, makes a synthetic list, scores it, shows and writes the results (in demo/)
# make test     sets up, runs the tests against the installed package
# make dev      sets up an editable install, for working on popstrat (CONTRIBUTING.md)
# make nightly  what is left to the night, the generated tests for longer, then everything in every variant: over an hour
# All need Python 3.11 or newer with venv, and a C compiler; everything else is installed into .venv.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PATIENTS ?= 100000
AS_OF ?= 2026-06-30
SECONDS ?= 300
SEED ?= 1
SOURCES := $(shell find engine python synthetic -name '*.py' -o -name '*.pyx' -o -name '*.pyi' -o -name '*.h' -o -name '*.toml')
COMPILED := $(subst /,.,$(patsubst %.pyx,popstrat/%,$(shell find engine -name '*.pyx')))

.PHONY: demo test smoke pages variants nightly compatibility dbt setup dev lint layout types bench-smoke bench bench-full gate gate-instructions gate-ratios gate-proof fuzz sanitize leaks leaks-proof packages site docs fidelity kinds clean

demo: setup
	@mkdir -p demo
	$(BIN)/popstrat synth --patients $(PATIENTS) --as-of $(AS_OF) --seed 1 -o demo/list.parquet
	$(BIN)/popstrat check demo/list.parquet --as-of $(AS_OF)
	$(BIN)/popstrat score demo/list.parquet --as-of $(AS_OF) -o demo/scored.parquet
	$(BIN)/python benchmarks/pick_patient.py demo/scored.parquet | $(BIN)/popstrat explain demo/list.parquet --as-of $(AS_OF) --patient -
	@echo
	@echo "Written: demo/list.parquet (the list), demo/scored.parquet (the scored table), demo/scored.parquet.run.json (the run record)"

test: setup $(VENV)/.test
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal

# a fast and broad part of the tests
smoke: setup $(VENV)/.test
	$(BIN)/python -m pytest -m smoke --numprocesses auto --dist worksteal

# every kind of page in a browser: accessibility, phone, keyboard, paper; needs Chromium
pages: setup $(VENV)/.test
	POPSTRAT_CHROMIUM=1 $(BIN)/python -m pytest tests/integration/test_accessible_pages.py

# that part where other code does the work: pyarrow reads and writes every file
variants: setup $(VENV)/.test
	POPSTRAT_FORMATS=arrow $(BIN)/python -m pytest -m smoke --numprocesses auto --dist worksteal

# the generated tests with more examples, other ones each time, and what is marked `nightly`; every test in the variants;
# packs in Spark
nightly: export POPSTRAT_NIGHTLY = 1
nightly: setup $(VENV)/.test
	$(BIN)/python -m pytest -m "hypothesis or nightly" --hypothesis-profile=nightly --numprocesses auto --dist worksteal
	POPSTRAT_FORMATS=arrow $(BIN)/python -m pytest --numprocesses auto --dist worksteal
	@command -v java >/dev/null || { echo "Java is missing, which Spark needs (on Debian and Ubuntu: apt-get install default-jre-headless)"; exit 1; }
	$(BIN)/python -m pip install --quiet --group spark
	POPSTRAT_SPARK=1 $(BIN)/python -m pytest tests/integration/test_sql_spark.py tests/integration/test_spark.py

# a table of the versions of Polars, pandas, DuckDB and pyarrow that the tests of frames pass with
compatibility: setup
	$(BIN)/python tests/compatibility.py --write docs/install.md

setup: $(VENV)/.installed

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "popstrat needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Name another with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "Python's venv module is missing (on Debian and Ubuntu: apt-get install python3-venv)"; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { echo "a C compiler is missing (on Debian and Ubuntu: apt-get install gcc python3-dev)"; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || { echo "Python's C headers are missing (on Debian and Ubuntu: apt-get install python3-dev)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

# a copy, as users have it; after `make dev` the sources themselves, their compiled modules built anew
$(VENV)/.installed: $(VENV)/.python pyproject.toml setup.py $(SOURCES)
	$(BIN)/python -m pip install --quiet $(if $(wildcard $(VENV)/.editable),--no-build-isolation -e) .
	@touch $@

$(VENV)/.test: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --group test
	@touch $@

$(VENV)/.dev: $(VENV)/.python pyproject.toml
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

# an editable install, for working on popstrat itself: what is changed is what runs, and `make test` tests
dev: $(VENV)/.dev
	@touch $(VENV)/.editable
	$(BIN)/python -m pip install --quiet --no-build-isolation -e .
	@touch $(VENV)/.installed

lint: $(VENV)/.dev layout
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYTHONPATH=build/types $(BIN)/lint-imports

# the sources laid out as they are installed, since mypy wants one folder for one package
layout:
	@rm -rf build/types && mkdir -p build/types
	@cp -r python/popstrat build/types/popstrat
	@cp -r engine build/types/popstrat/engine
	@cp -r synthetic build/types/popstrat/synthetic

# and a user's script; and the stubs of the compiled modules held against what is in those
types: setup $(VENV)/.dev layout
	$(BIN)/mypy build/types/popstrat
	$(BIN)/python -m pytest tests/integration/test_user_script.py
	MYPYPATH=build/types $(BIN)/stubtest --mypy-config-file pyproject.toml --concise --ignore-disjoint-bases \
		--allowlist engine/stubtest-allowlist.txt --ignore-unused-allowlist $(COMPILED)

bench-smoke: setup $(VENV)/.dev
	$(BIN)/python -m pytest benchmarks --benchmark-disable -q

# the short set, in about ten minutes; writes its tables into README.md and docs/performance.md
bench: setup $(VENV)/.dev
	$(BIN)/python benchmarks/report.py --run --write -- --patients 2.5M --events 40M

# everything, up to 63 million patients: about half an hour, and 5 GB of disk, most of it for lists that are kept until `make clean`
bench-full: setup $(VENV)/.dev
	$(BIN)/python benchmarks/report.py --run --write -- --patients 2.5M --events 40M --full

# a pack as a dbt model; dbt has an environment of its own, since it asks for other versions than our tools do
dbt: setup $(VENV)/.test
	@test -x build/dbt/bin/dbt || { $(PYTHON) -m venv build/dbt && build/dbt/bin/python -m pip install --quiet "dbt-core<1.11" "dbt-duckdb<1.11"; }
	POPSTRAT_DBT=$(CURDIR)/build/dbt/bin/dbt $(BIN)/python -m pytest tests/integration/test_sql_dbt.py

# the performance gate (docs/performance-gate.md); the first half needs valgrind
gate: gate-instructions gate-ratios

gate-instructions: setup $(VENV)/.dev
	$(BIN)/python benchmarks/instructions.py --check

gate-ratios: setup $(VENV)/.dev
	$(BIN)/python benchmarks/floors.py

# builds an engine with slowed kernels and sees the gate fail
gate-proof: setup $(VENV)/.dev
	$(BIN)/python -m pytest benchmarks/gate_is_real.py -s

# the documentation as a site in build/site; a broken link or a page that is in no menu fails
site: setup $(VENV)/.dev layout
	$(BIN)/python -m pip install --quiet --group site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# the source distribution, a wheel from it, each extra alone, the smoke tests against the wheel without a compiler
packages: setup $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --group release
	$(BIN)/python tests/packages/run.py --lowest

# damaged and hostile inputs for whatever reads files (docs/fuzzing.md); hours with SECONDS=, others with SEED=
fuzz: setup $(VENV)/.test
	$(BIN)/python tests/fuzz/run.py --seconds $(SECONDS) --seed $(SEED)

# the compiled code under the address and undefined-behaviour sanitizers; needs gcc with libasan
sanitize: setup $(VENV)/.dev
	$(BIN)/python engine/sanitize.py

# whether the compiled code leaks (docs/fuzzing.md); needs gcc with libasan
leaks: setup $(VENV)/.dev
	$(BIN)/python tests/leaks/run.py

# every line that gives memory back made not to, and every one that asks for it refused: the leak run must see it
leaks-proof: setup $(VENV)/.dev
	$(BIN)/python tests/leaks/plants.py

# the generated pages and examples
docs: setup $(VENV)/.dev kinds
	$(BIN)/python -m popstrat.pages.catalogue --write docs/definitions.md
	$(BIN)/python -m popstrat.pages.specification --write docs/features.md
	$(BIN)/python docs/safety/hazard_log.py --write

# the figures of docs/synthetic.md, on 2.5 million people: a quarter of an hour
fidelity: setup $(VENV)/.dev
	$(BIN)/python benchmarks/fidelity.py --patients 2500000 --write docs/synthetic.md

kinds:  # the examples of the kinds of definition, and of the kinds of feature
	$(BIN)/python -c 'import pathlib, popstrat.packs.kinds.registry as r; pathlib.Path("docs/examples/kinds.toml").write_text(r.examples())'
	$(BIN)/python -c 'import pathlib, popstrat.deriving.kinds.registry as r; pathlib.Path("docs/examples/specifications/features.toml").write_text(r.examples())'

clean:
	rm -rf build dist demo *.egg-info
