PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS := 1

.PHONY: verify test browser lint bench mutate baseline clean

verify: $(VENV)/.ready
	$(BIN)/elbound verify

test: $(VENV)/.ready
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

browser: $(VENV)/.browser
	$(BIN)/python -m pytest -q -m browser

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q --doctest-modules theory impl reports properties/spaces.py properties/evidence

bench: $(VENV)/.ready
	$(BIN)/python -m elbound.properties.benchmarks.sgd_step
	$(BIN)/python -m elbound.properties.benchmarks.tangent_gram
	$(BIN)/python -m elbound.properties.benchmarks.deep_step
	$(BIN)/python -m elbound.properties.benchmarks.adversary
	$(BIN)/python -m elbound.properties.benchmarks.generation
	$(BIN)/python -m elbound.properties.benchmarks.refutation_time

# Changes the source of what decides a verdict in place, one mutant after another, and puts it back: commit first.
# Takes hours.
mutate: $(VENV)/.mutation
	$(BIN)/cosmic-ray init --force .ci/mutation.toml .mutation.sqlite
	$(BIN)/cr-filter-operators .mutation.sqlite .ci/mutation.toml
	$(BIN)/cr-filter-pragma .mutation.sqlite
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/cosmic-ray exec .ci/mutation.toml .mutation.sqlite
	$(BIN)/cr-report --surviving-only --show-diff .mutation.sqlite

baseline: $(VENV)/.ready
	$(BIN)/elbound verify --output .baseline
	mkdir -p reports/baselines
	cp .baseline/summary.json reports/baselines/catalogue.json
	rm -r .baseline

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "elbound: needs Python 3.11 or newer, and" \
		"$(PYTHON) is $$($(PYTHON) --version 2>&1); name another: make PYTHON=python3.12" >&2; exit 2; }
	@echo "elbound: setting up $(VENV), once; a few minutes where much has to be downloaded"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[certify,test]"
	touch $@

$(VENV)/.lint: $(VENV)/.ready
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[lint]"
	touch $@

$(VENV)/.browser: $(VENV)/.ready
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[browser]"
	@command -v chromium || command -v google-chrome || { apt-get update -qq && apt-get install -qq -y chromium; } || \
		{ echo "browser: no chromium on PATH, and none could be installed; install chromium" >&2; exit 2; }
	touch $@

$(VENV)/.mutation: $(VENV)/.ready
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[mutation]"
	touch $@

clean:
	rm -rf $(VENV) reports/latest
