.PHONY: demo run test drills lighthouse screenshots measure lint assets translations .messages
.DEFAULT_GOAL := demo

demo run:
	@./portal $@

# Three files at once on two cores: each waits for browsers and servers now and then.
test: .venv-tests
	@.ci/chromium
	@.venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

# The long forms of what `make test` does in short; their figures stand in docs/quality.md.
drills: .venv-tests
	@.ci/chromium
	@.venv/bin/python -m pytest -n 2 --dist loadfile --drills tests/drills

# Points of the pages that are seen most, where Node is.
lighthouse: .venv-tests $(if $(shell command -v npm),node_modules/.package-lock.json)
	@.ci/chromium
	@.venv/bin/python -m tests.drills.lighthouse

# The README's pictures, from the demo as it is now.
screenshots: .venv-tests
	@.ci/chromium
	@.venv/bin/python -m tests.pictures

# Lengths of functions and templates against the guide.
measure: .venv-tests
	@.venv/bin/python -m tests.measure

lint: .venv-tests
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@$(MAKE) --silent .messages
	@.venv/bin/pybabel -q update $(CATALOGS) --check 2>/dev/null || { echo "Texts have changed: make translations" >&2; exit 1; }

# Every text of the sources into the catalogs, which are then to be translated: docs/translating.md.
CATALOGS = -i translations/messages.pot -d translations --no-wrap --no-fuzzy-matching --ignore-obsolete --ignore-pot-creation-date

translations: .venv-tests .messages
	@.venv/bin/pybabel update $(CATALOGS)

.messages:
	@.venv/bin/pybabel -q extract -F pyproject.toml -k "_l lazy_gettext lazy_ngettext:1,2" --add-location=file --no-wrap \
		--project=portal --version=1 --msgid-bugs-address=docs/translating.md -o translations/messages.pot app.py models.py blueprints core templates

# The style sheet and scripts that pages load; the result is committed, so that running needs no Node.
assets: .venv-tests node_modules/.package-lock.json
	@npm run --silent build
	@.venv/bin/python -m core.pages.assets

node_modules/.package-lock.json: package-lock.json
	@npm ci --silent
	@touch $@

.PHONY: .venv-tests
.venv-tests:
	@./portal --install-tests
