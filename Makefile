.PHONY: demo run test lint
.DEFAULT_GOAL := demo

demo run:
	@./portal $@

test: .venv-tests
	@.ci/chromium
	@.venv/bin/python -m pytest

lint: .venv-tests
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

.PHONY: .venv-tests
.venv-tests:
	@./portal --install-tests
