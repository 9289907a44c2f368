# What can be done with this checkout. Needs Python 3.11 or newer and make, nothing else; everything is kept in .venv.

# The first Python here that is new enough; name another with `make PYTHON=/path/to/python3.13`.
PYTHON := $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV = .venv
BIN = $(VENV)/bin
IN = demo/in

# A stamp is as new as the last installation: what it depends on decides when the next one is due.
RUN = $(VENV)/.installed-run
DEV = $(VENV)/.installed-dev
FROM_SOURCE = PYTHONPATH=src:cli $(BIN)/python -m imgpipe

.DEFAULT_GOAL := help
.PHONY: help setup demo test check fmt lock coverage bench bench-queue chaos docs wheel clean

help: ## list what make can do
	@echo "make TARGET, one of:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1 	\2/p' Makefile | expand -t 15

setup: $(DEV) ## make .venv with everything for development, as locked in requirements/dev.txt

demo: $(RUN) ## resize and sharpen sample pictures, or those of IN=folder, into demo/out
	@test "$(IN)" != demo/in || $(FROM_SOURCE) samples demo/in --count 12
	$(FROM_SOURCE) process "$(IN)" -o demo/out -f resize:800x600 -f sharpen
	@echo "The pictures lie in demo/out. Run it again: what is up to date is left alone."

test: $(DEV) ## run the whole test suite
	$(BIN)/python -m pytest

check: $(DEV) ## lint, formatting, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(DEV) ## put the code into its one form, and mend what can be mended by itself
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: build/lock/.installed ## write requirements/*.txt anew from pyproject.toml; UPGRADE=--upgrade takes newer versions
	build/lock/bin/python requirements/lock.py $(UPGRADE)

coverage: $(DEV) ## run the suite and list the lines and branches that it has not been to, children included
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report

bench: $(DEV) build/bench/.installed ## time imgpipe beside its peers; CORPUS=folder, ROWS=fit,blur, PEERS=pillow,pyvips, QUICK=1
	PYTHONPATH=src:cli:. $(BIN)/python -m benchmarks $(if $(CORPUS),--corpus "$(CORPUS)") \
		$(if $(ROWS),--rows "$(ROWS)") $(if $(PEERS),--peers "$(PEERS)") $(if $(QUICK),--quick)

bench-queue: $(DEV) build/bench/.installed ## time the queue beside its peers, with 1,000,000 tasks, with 4K pictures; PARTS="noop pictures"
	PYTHONPATH=src:cli:. $(BIN)/python -m benchmarks.queue $(PARTS) --results build/bench/queue.json

chaos: $(DEV) ## kill, stop and starve workers and Redis at work, and look whether anything was lost; SCENARIO=kill, SEED=7
	PYTHONPATH=src:cli:. $(BIN)/python -m benchmarks.chaos $(SCENARIO) $(if $(SEED),--seed $(SEED))

docs: $(DEV) build/docs/.installed ## build the site in build/site from docs/, and draw its pictures anew
	PYTHONPATH=src:cli $(BIN)/python docs/draw.py docs/pictures
	PYTHONPATH=src:cli $(BIN)/python docs/generate.py build/docs/source
	NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --strict
	@echo "The site lies in build/site: open build/site/index.html."

scorecard: $(DEV) ## hold imgpipe to its promises under force and malice, a line for each; ONLY=R3,S5, SHORT=1, SEED=7
	PYTHONPATH=src:cli:.:tests $(BIN)/python -m benchmarks.scorecard $(if $(ONLY),--only $(ONLY)) $(if $(SHORT),--short) \
		$(if $(SEED),--seed $(SEED)) $(if $(RESULTS),--results $(RESULTS))

wheel: $(DEV) ## build dist/imgpipe-*.whl
	$(BIN)/hatchling build -t wheel

clean: ## remove what make has made, except .venv
	rm -rf build dist demo/in demo/out htmlcov .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src cli tests requirements benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN): requirements/run.txt
	@$(call make_venv,$(VENV))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt
	@touch $@

$(DEV): requirements/dev.txt pyproject.toml
	@$(call make_venv,$(VENV))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(RUN) $@

build/lock/.installed: Makefile
	@$(call make_venv,build/lock)
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	@touch $@

# Without its packages a benchmark still runs; it says who is missing. arq wants an older redis-py than others.
build/bench/.installed: benchmarks/requirements.txt
	@$(call make_venv,build/bench)
	build/bench/bin/python -m pip install --quiet --disable-pip-version-check -r $< \
		&& build/bench/bin/python -m pip install --quiet --disable-pip-version-check --target build/bench/arq --upgrade arq \
		&& touch $@ \
		|| echo "some peers could not be installed: they will be said to be missing" >&2

build/docs/.installed: requirements/docs.txt
	@$(call make_venv,build/docs)
	build/docs/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# make_venv FOLDER: an environment there, unless there is one; or the reason why not.
define make_venv
test -n "$(PYTHON)" && "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "imgpipe needs Python 3.11 or newer. Install it, or say where it is: make PYTHON=/path/to/python3.13" >&2; exit 1; }; \
test -x $(1)/bin/pip || "$(PYTHON)" -m venv $(1) \
	|| { echo "$(PYTHON) cannot make an environment; on Debian and Ubuntu install the package python3-venv" >&2; exit 1; }
endef
