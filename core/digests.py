"""What a database holds, as a number of rows and a digest for each table: equal for equal contents."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.pool import NullPool

AT_ONCE = 1000  # rows in memory at one time


@dataclass(frozen=True, slots=True)
class Table:
    """One table."""

    rows: int
    digest: str  # the sum of the rows' SHA-256


@contextlib.contextmanager
def reading(database_url: str) -> Iterator[Connection]:
    """A connection that sees one moment of a database, whoever writes to it, and changes nothing."""
    engine = create_engine(database_url, poolclass=NullPool, hide_parameters=True)
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with engine.connect().execution_options(**(options if engine.dialect.name == "postgresql" else {})) as connection:
        yield connection


def of(connection: Connection) -> dict[str, Table]:
    """Every table by name, as it stands in the database, whatever version of the program made it."""
    found = inspect(connection)
    quote = connection.dialect.identifier_preparer.quote
    return {
        name: _table(connection, quote(name), sorted(quote(each["name"]) for each in found.get_columns(name)))
        for name in sorted(found.get_table_names())
    }


def revision(connection: Connection) -> str:
    """The revision of the schema."""
    return str(connection.scalar(text("SELECT version_num FROM alembic_version")) or "")


def signing_keys(connection: Connection, tables: dict[str, Table]) -> list[str]:
    """The names of the keys that sign leases, oldest first."""
    if "signing_key" not in tables:
        return []
    return [str(kid) for kid in connection.scalars(text("SELECT kid FROM signing_key ORDER BY kid"))]


def _table(connection: Connection, name: str, columns: list[str]) -> Table:
    # As the driver gives it: what a type of ours would make of a value is not what is stored. And a sum, because what
    # comes first depends on the language of the server.
    total = rows = 0
    statement = text(f"SELECT {', '.join(columns)} FROM {name}")  # noqa: S608 - names from the database itself, quoted
    for row in connection.execute(statement.execution_options(yield_per=AT_ONCE)):
        said = repr([_plain(value) for value in row]).encode()
        total += int.from_bytes(hashlib.sha256(said).digest())
        rows += 1
    return Table(rows, f"{total % (1 << 256):064x}")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat() if value.tzinfo else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value
