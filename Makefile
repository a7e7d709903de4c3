# `make demo` and `make test` do all the set-up themselves; `make` alone says what there is.
SHELL := /bin/bash
BIN := .venv/bin
RUN := .venv/.dialer-run
DEV := .venv/.dialer-dev
SETUP := pyproject.toml requirements-build.lock .ci/venv.sh .ci/lib.sh
# Further words for the command that a target runs:  make demo ARGS="--port 9000"
ARGS ?=

.PHONY: help
help:
	@echo "make demo    try the product on a practice telephone network (Ctrl+C ends it);"
	@echo "             on another port than 8080:  make demo ARGS=\"--port 9000\""
	@echo "make test    every check and test; installs what they need"
	@echo "make lint    only the checks: ruff, mypy, import rules"
	@echo "make format  let ruff put the code in order"
	@echo "make bench   measure; the figures are printed (docs/performance.md)"
	@echo "make soak    500 sales days at random; 200 recorded calls for an hour, every packet looked for afterwards"
	@echo "make fuzz    the property tests, each with 20,000 examples"
	@echo "make docs    write the generated parts of docs/ and config/example.toml"
	@echo "make lock    choose the versions of all libraries anew"
	@echo "make clean   remove everything that make made"

$(RUN): requirements.lock $(SETUP)
	.ci/venv.sh requirements.lock
	@touch $@

$(DEV): requirements-dev.lock $(SETUP)
	.ci/venv.sh requirements-dev.lock
	@touch $@ $(RUN)

.PHONY: demo
demo: $(RUN)
	$(BIN)/dialer demo $(ARGS)

.PHONY: peers
peers:
	.ci/peers.sh

.PHONY: lint
lint: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: format
format: $(DEV)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: test
test: $(DEV) peers lint
	$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder $(ARGS)

# make bench ARGS="click --calls 50" runs one.
.PHONY: bench
bench: $(DEV) peers
	$(BIN)/python -m tests.benchmarks $(ARGS)

.PHONY: soak
soak: $(DEV) peers
	$(BIN)/pytest -p tests.soak --hypothesis-profile=soak --timeout=0 tests/crm/test_sales_day.py
	OFFERS_IN_STORM=1000 $(BIN)/pytest --timeout=0 tests/dialer/mailing/test_offer_storm.py
	$(BIN)/python -m tests.benchmarks soak $(ARGS)

.PHONY: fuzz
fuzz: $(DEV)
	$(BIN)/pytest -n 2 -p tests.fuzz --hypothesis-profile=fuzz $$(grep -rl --include='test_*.py' 'from hypothesis' tests) $(ARGS)

.PHONY: docs
docs: $(DEV)
	$(BIN)/python -m config.documentation

# No address of any package index gets into the lock files.
COMPILE := $(BIN)/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate

.PHONY: lock
lock: $(DEV)
	$(BIN)/python -m pip install --quiet uv
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --extra dev --constraints requirements.lock -o requirements-dev.lock
	echo "setuptools>=77" | $(COMPILE) - -o requirements-build.lock

.PHONY: clean
clean:
	rm -rf .venv build dist demo-data demo-data-backups *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find config crm dialer recordings tests -name __pycache__ -prune -exec rm -rf {} +
