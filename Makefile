# Everything a contributor or a CI machine runs. Nothing needs to be installed by hand but python3 and make.
#   make test AIRFLOW=3.2      the tests on another supported Airflow
#   make test AIRFLOW=3.4      the tests on Airflow's next release, on its beta
#   make test PYTEST="-k plan"  some of them
#   make test-fast PYTHON=3.13  on another Python, in an environment of its own; also make test
#   make test JOBS=0            one after the other; the default suits two cores, as real Airflows mostly wait

AIRFLOW ?= 3.3
PYTHON  ?=
VENV    ?= .venv$(addprefix -,$(filter-out 3.3,$(AIRFLOW)))$(addprefix -py,$(PYTHON))
PYTEST  ?=
FUZZ    ?= -max_total_time=600
SOAK    ?=
JOBS    ?= 4
DOCS    ?=

FAST   := tests/planning tests/schedule tests/calendars
ASKING := -n 2 -m "not slow and not server" tests/runs tests/web tests/publishing tests/cli

BIN  := $(VENV)/bin
LOCK := locks/airflow-$(AIRFLOW).txt
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"  # the environment brings Node.js

# Images often set it. Thousands of processes would compile all that they import, each for itself.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup install check format docs test test-long test-fast test-lowest test-neighbours \
	test-databases sbom demo bench soak fuzz lane locks screenshots clean

help:  ## List these targets
	@awk -F ':.*##  *' '/^[a-z-]+:.*##/ {printf "%-16s %s\n", $$1, $$2}' Makefile

setup:
	@PYTHON=$(PYTHON) tools/setup $(VENV) $(LOCK)

install: setup
	@tools/install-wheel $(VENV)

demo:  ## A calendar and a real Airflow on this machine; a run is held by a meeting (DEMO=--cluster: on three hosts)
	@tools/setup .venv-demo locks/demo.txt
	@tools/install-wheel .venv-demo
	@$(if $(findstring --cluster,$(DEMO)),tools/system-packages cluster)
	@.venv-demo/bin/python -m demo.run $(DEMO)

test: install  ## All tests but the long ones, against the built wheel
	@tools/system-packages
	$(BIN)/python -m pytest -n $(JOBS) --no-loadscope-reorder --durations 25 --durations-min 20 -m "not long" $(PYTEST)

test-long: install  ## What takes many minutes: several hosts, and deployments with all components twice
	@tools/system-packages
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder --durations 0 --durations-min 20 -m long $(PYTEST)

test-fast: setup  ## The rules of time, schedules and calendars, without a server: a minute or two, on an editable install
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	$(BIN)/python -m pytest -n 2 --no-loadscope-reorder -m "not slow and not server" $(FAST) $(PYTEST)

test-lowest:  ## The fast tests with the oldest of everything that pyproject.toml allows
	@$(MAKE) test-fast VENV=.venv-lowest LOCK=locks/lowest.txt PYTHON=3.11 PYTEST="$(PYTEST)"

test-neighbours:  ## What docs/neighbours.md says of other libraries, with these
	@tools/setup .venv-neighbours locks/neighbours.txt
	@.venv-neighbours/bin/uv pip install --quiet --python .venv-neighbours/bin/python --no-deps --editable .
	.venv-neighbours/bin/python -m pytest tests/neighbours $(PYTEST)

test-databases: install  ## What asks Airflow's database, on PostgreSQL and in MySQL's dialect, on MariaDB
	@tools/system-packages databases
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group pyproject.toml:databases
	$(BIN)/python -m tests.support.databases postgresql $(ASKING) $(PYTEST)
	$(BIN)/python -m tests.support.databases mariadb $(ASKING) $(PYTEST)

check: setup  ## Lint, format, types, the page's unit tests, and that the packages build
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(WITH_NODE) tools/page check
	$(BIN)/uv build --quiet --python $(BIN)/python --out-dir dist

sbom: setup  ## What an installation consists of, as CycloneDX, into dist/
	$(WITH_NODE) tools/sbom $(VENV) dist

format: setup  ## Put the code into the project's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(WITH_NODE) tools/page format

docs:  ## Build the documentation site into site/, and check its links (DOCS=--serve to read it)
	@tools/setup .venv-docs locks/docs.txt
	.venv-docs/bin/python -m tools.docs_site $(DOCS)

bench: install  ## Measure, and compare with benchmarks/baseline.json (GROUPS="scheduling reading", BENCH=--check)
	$(BIN)/python -m benchmarks $(GROUPS) --json bench.json $(BENCH)

soak: install  ## An hour of 300 DAGs, edits and kills, judged and drawn (SOAK="--minutes 20 --dags 100 --seed 7")
	@tools/system-packages
	$(BIN)/python -m tests.soak $(SOAK)

fuzz: install  ## Fuzz the reading of calendars for ten minutes (FUZZ=-max_total_time=3600 for an hour)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group pyproject.toml:fuzz
	$(BIN)/python -m tests.support.fuzz .fuzz $(FUZZ)

lane:  ## Run a lane of docs/lanes.md, and write down there what came of it: LANE=fast
	@python3 -m tools.lane $(LANE)

locks: setup  ## Move the pinned environments to the newest releases
	@for which in 3.3 3.2 3.4 demo docs lowest neighbours; do tools/lock $(BIN)/uv $$which; done

clean:  ## Remove what these targets made
	rm -rf .venv .venv-* .demo dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .fuzz .fuzz.dict
	rm -rf site ui/node_modules src/calendar_timetable/web/static

screenshots: install  ## Take the pictures of README and docs again
	@tools/system-packages
	$(BIN)/python -m tools.screenshots
	$(BIN)/python -m tools.example_pictures
