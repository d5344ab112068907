"""Bring a database to the current schema. Only commands import this: a web process needs no Alembic."""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Iterator

from flask import Flask
from flask_alembic import Alembic
from sqlalchemy import text

from core import db as database
from core import meta
from core.dates import now
from core.db import Base, db
from core.revisions import FOLDER, known
from core.settings import Settings

LOCK = 0x6D696772617465  # PostgreSQL advisory lock; SQLite has the writer gate
TABLES = (
    "models", "core.leases", "core.grants", "core.signing", "core.idempotency", "core.activity", "core.meta",
    "core.mailing.outbox", "core.jobs", "core.limits",
)  # fmt: skip


class NumberedAlembic(Alembic):
    """Revisions are numbers, so that the files stand in their order."""

    def rev_id(self) -> str:
        """The number after the newest one."""
        return f"{len(known()) + 1:04d}"


alembic = NumberedAlembic(run_mkdir=False, command_name="", metadatas=Base.metadata)


def upgrade(settings: Settings, *, is_demo: bool = False, target: str = "heads") -> None:
    """Bring the database to the target and note, in a new one, whether it is the demo's."""
    with _opened(settings) as app:
        with app.app_context():  # at its end Alembic lets go of its connection, and with it of the writer gate
            alembic.upgrade(target)
        if target == "heads":
            meta.begin(db.session, now(), is_demo=is_demo)
            db.session.commit()


def downgrade(settings: Settings, target: str) -> None:
    """Take the schema back to a revision, or to `base`."""
    with _opened(settings):
        alembic.downgrade(target)


def application(settings: Settings) -> Flask:
    """An application that has nothing but the database: what Alembic needs."""
    for module in TABLES:
        importlib.import_module(module)
    app = Flask("portal.migrations")
    app.config["ALEMBIC"] = {"script_location": str(FOLDER)}
    # SQLite alters few things, so tables are copied; and each database spells a default in its own way.
    app.config["ALEMBIC_CONTEXT"] = {"render_as_batch": True, "compare_type": True, "compare_server_default": False}
    database.init_app(app, settings.database_url)
    alembic.init_app(app)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return app


@contextlib.contextmanager
def _opened(settings: Settings) -> Iterator[Flask]:
    """Nobody else migrates meanwhile; afterwards every connection is closed, so that SQLite's file is whole."""
    app = application(settings)
    try:
        with app.app_context(), _alone():
            yield app
    finally:
        with app.app_context():
            db.engine.dispose()


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Let one process migrate; the next one finds the work done."""
    engine = db.engine
    if engine.dialect.name != "postgresql":
        yield
        return
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": LOCK})
