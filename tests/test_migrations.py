"""Migrations: they make exactly the tables that the models describe, go down and up again, and know what they met."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from core import migrate, probe
from core import settings as settings_
from core.db import Base, engine_for
from core.revisions import CURRENT, EMPTY, FOREIGN, NEWER, OLDER, known
from core.settings import Settings
from tests.databases import Database, environ


@pytest.fixture
def new(blank: Database, tmp_path: Path) -> Settings:
    """The settings of a portal whose database has no tables."""
    return settings_.load(environ(blank.url, tmp_path))


def run(settings: Settings, *statements: str) -> None:
    engine = engine_for(settings.database_url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def tables(settings: Settings) -> set[str]:
    engine = engine_for(settings.database_url)
    found = set(inspect(engine).get_table_names())
    engine.dispose()
    return found


def test_migrations_make_what_the_models_describe(new: Settings) -> None:
    migrate.upgrade(new)
    engine = engine_for(new.database_url)
    with engine.connect() as connection:
        differences = compare_metadata(
            MigrationContext.configure(connection, opts={"compare_type": True}), Base.metadata
        )
    engine.dispose()
    assert differences == []


def test_schema_goes_down_and_up_again(new: Settings) -> None:
    migrate.upgrade(new)
    before = tables(new)
    migrate.downgrade(new, "base")
    assert tables(new) == {"alembic_version"}
    assert probe.state(new) == EMPTY
    migrate.upgrade(new)
    assert tables(new) == before


def test_migrating_again_changes_nothing(new: Settings) -> None:
    migrate.upgrade(new)
    run(new, "UPDATE meta SET instance = 'the same'")
    migrate.upgrade(new)
    engine = engine_for(new.database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT instance FROM meta")) == "the same"
    engine.dispose()


def test_state_of_a_database_is_told(new: Settings) -> None:
    assert probe.state(new) == EMPTY
    migrate.upgrade(new)
    assert probe.state(new) == CURRENT
    run(new, "UPDATE alembic_version SET version_num = '9999'")
    assert probe.state(new) == NEWER


def test_older_revision_is_told_from_the_newest(new: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate.upgrade(new)
    monkeypatch.setattr("core.revisions.known", lambda: [*known(), "9999"])
    assert probe.state(new) == OLDER


def test_tables_of_others_are_foreign(new: Settings) -> None:
    run(new, "CREATE TABLE theirs (id INTEGER)")
    assert probe.state(new) == FOREIGN


def test_asking_for_the_state_makes_no_file(tmp_path: Path) -> None:
    settings = settings_.load(environ(f"sqlite:///{tmp_path / 'portal.db'}", tmp_path))
    assert probe.state(settings) == EMPTY
    assert list(tmp_path.iterdir()) == []
