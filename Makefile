PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS := 1

.PHONY: verify test browser lint bench baseline clean

verify: $(VENV)/.ready
	$(BIN)/elbound verify

test: $(VENV)/.ready
	$(BIN)/python -m pytest -q

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

baseline: $(VENV)/.ready
	$(BIN)/elbound verify --output .baseline
	mkdir -p reports/baselines
	cp .baseline/summary.json reports/baselines/catalogue.json
	rm -r .baseline

$(VENV)/.ready: pyproject.toml constraints.txt
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

clean:
	rm -rf $(VENV) reports/latest
