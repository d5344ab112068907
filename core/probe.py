"""Look at a database without changing it: for `check`, and before anything is migrated or served."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from core.db import engine_options
from core.revisions import CURRENT, EMPTY, OLDER, state_of
from core.settings import Settings


@contextlib.contextmanager
def reading(settings: Settings) -> Iterator[Connection]:
    """A connection that makes no file and, on SQLite, cannot write."""
    if (path := sqlite_file(settings)) is not None:
        # Opening a SQLite file the usual way makes it when it is missing, and changes it to WAL.
        uri = f"file:{quote(str(path))}?mode=ro"
        engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True), poolclass=NullPool)
    else:
        url = settings.database_url
        engine = create_engine(url, poolclass=NullPool, connect_args=engine_options(url)["connect_args"])
    with engine.connect() as connection:
        yield connection


def sqlite_file(settings: Settings) -> Path | None:
    """The file of the embedded database; None for PostgreSQL."""
    return Path(make_url(settings.database_url).database or "") if settings.is_sqlite else None


def state(settings: Settings) -> str:
    """What `core.revisions.state_of` says of the database; a SQLite file that is missing is EMPTY."""
    if (path := sqlite_file(settings)) is not None and not path.exists():
        return EMPTY
    with reading(settings) as connection:
        found = state_of(connection)
        # A first start that was stopped between the schema and the first row is begun again.
        is_begun = found != CURRENT or connection.scalar(text("SELECT count(*) FROM meta"))
        return found if is_begun else EMPTY


def instance(settings: Settings) -> str:
    """Which portal the database belongs to."""
    with reading(settings) as connection:
        return str(connection.scalar(text("SELECT instance FROM meta")))


def is_demo(settings: Settings) -> bool:
    """Whether the database says that it is the demo's."""
    return _count(settings, "SELECT count(*) FROM meta WHERE is_demo")


def has_operator(settings: Settings) -> bool:
    """Whether there is somebody who can run the portal."""
    return _count(settings, "SELECT count(*) FROM account WHERE is_operator AND deleted_at IS NULL")


def faults(settings: Settings) -> list[str]:
    """What is not as the rules leave it, which no page of the portal can bring about; see `core.audit`."""
    from core import audit  # and with it the whole domain, which only `check` has use for

    if state(settings) != CURRENT:
        return []
    with reading(settings) as connection, Session(connection) as session:
        return audit.faults(session)


def _count(settings: Settings, statement: str) -> bool:
    if state(settings) not in (CURRENT, OLDER):
        return False
    with reading(settings) as connection:
        return bool(connection.scalar(text(statement)))
