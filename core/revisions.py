"""Which schema the program brings and which a database has, read without Alembic."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

FOLDER = Path(__file__).resolve().parent.parent / "migrations"
EMPTY, CURRENT, OLDER, NEWER, FOREIGN = "empty", "current", "older", "newer", "foreign"


def known() -> list[str]:
    """The revisions that the program brings, oldest first; a file's name begins with its revision."""
    return sorted(path.name.partition("_")[0] for path in FOLDER.glob("[0-9]*.py"))


def state_of(connection: Connection) -> str:
    """EMPTY, CURRENT, OLDER, NEWER than the program, or FOREIGN: tables that are not the portal's."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return EMPTY
    if "alembic_version" not in tables:
        return FOREIGN
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    # Taken back to `base`, which leaves Alembic's own table.
    if revision is None:
        return EMPTY
    if revision not in known():
        return NEWER
    return CURRENT if revision == known()[-1] else OLDER
