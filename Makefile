# Two commands are all a new machine needs: make demo, make test. Both set themselves up.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check format lint types contracts bench bench-runs bench-builds bench-serving bench-features bench-verdicts bench-monitoring bench-simulation clean

.venv/made: pyproject.toml uv.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet uv
	@$(BIN)/python -m uv sync --frozen --quiet
	@touch $@

demo: .venv/made  ## the whole loop on real flights
	@$(BIN)/penstock demo

test: .venv/made  ## every test, as many files at once as there are processors
	@$(BIN)/pytest --numprocesses auto --dist loadgroup

check: .venv/made lint types contracts  ## format, lint, types and import contracts

format: .venv/made
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lint: .venv/made
	@$(BIN)/ruff format --check . && $(BIN)/ruff check .

types: .venv/made
	@$(BIN)/mypy

contracts: .venv/made
	@$(BIN)/lint-imports --no-cache

bench: bench-runs bench-builds bench-serving bench-features bench-verdicts bench-monitoring bench-simulation  ## every area beside its peers; the page is docs/benchmarks.md

bench-runs: .venv/made
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks.runs

bench-builds: .venv/made
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks.builds

bench-serving: .venv/made
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks.serving

bench-features: .venv/made
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks.features

bench-verdicts: .venv/made
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks.verdicts

bench-monitoring: .venv/made
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks.monitoring

bench-simulation: .venv/made
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m benchmarks.simulation

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-home demo-report.json
