"""Copies of a PostgreSQL database, made and put back by PostgreSQL's own programs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds; who has just gone is listed a moment longer


class ProgramFailed(Exception):
    """A program of PostgreSQL that is missing or failed; the message is one sentence."""


def dump(database_url: str, connection: Connection, target: Path) -> None:
    """Write what a connection sees, whatever others change meanwhile.

    :raise ProgramFailed: when pg_dump cannot.
    """
    snapshot = connection.scalar(text("SELECT pg_export_snapshot()"))
    ours = ("--table=public.*", "--no-owner", "--no-privileges")
    _run("pg_dump", database_url, f"--snapshot={snapshot}", *ours, f"--file={target}")


def load(database_url: str, source: Path) -> None:
    """Put a copy in the place of everything that is in the database; whole, or not at all.

    :raise ProgramFailed: when psql cannot, or somebody is connected to the database.
    """
    engine = create_engine(database_url, poolclass=NullPool, hide_parameters=True)
    with engine.connect() as connection:
        if _is_used(connection):
            raise ProgramFailed("Somebody is connected to the database; stop the portal first.")
        quote = engine.dialect.identifier_preparer.quote
        drops = [f"DROP TABLE {quote(name)} CASCADE;" for name in inspect(connection).get_table_names()]
    beginning = source.with_name("drops.sql")
    beginning.write_text("\n".join(drops))
    whole = ("--single-transaction", "--set=ON_ERROR_STOP=1", "--no-psqlrc", "--quiet", "--output=/dev/null")
    _run("psql", database_url, *whole, f"--file={beginning}", f"--file={source}")


def _is_used(connection: Connection) -> bool:
    """Whether somebody else is connected, and stays."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    for pause in PAUSES:
        if not connection.scalar(text(others)):
            return False
        connection.rollback()  # what the server says of its connections stands still within a transaction
        time.sleep(pause)
    return True


def is_empty(database_url: str) -> bool:
    """Whether a database has no table."""
    with create_engine(database_url, poolclass=NullPool, hide_parameters=True).connect() as connection:
        return not inspect(connection).get_table_names()


def _run(program: str, database_url: str, *arguments: str) -> None:
    path = shutil.which(program)
    if path is None:
        raise ProgramFailed(f"{program} is missing: install PostgreSQL's client programs.")
    url = make_url(database_url)
    # A password among the arguments could be read by everybody on the machine.
    environ = {**os.environ, "PGPASSWORD": str(url.password)} if url.password else dict(os.environ)
    where = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    command = [path, f"--dbname={where.render_as_string(hide_password=False)}", *arguments]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "error:" in line.lower()]
        raise ProgramFailed(f"{program} failed: {said[0] if said else f'it ended with {done.returncode}'}")
