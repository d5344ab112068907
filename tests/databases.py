"""Fresh databases for tests: a file or a PostgreSQL database, copied from one that is prepared once a run."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import LiteralString

import psycopg
from sqlalchemy.orm import Session

from core import migrate, settings
from core.db import engine_for
from tests import cast
from tests.cast import SEAL_KEY, SECRET_KEY, Cast
from tests.servers import PostgreSQL

SQLITE, POSTGRESQL = "sqlite", "postgresql"


@dataclass(frozen=True)
class Database:
    """A database of one test."""

    kind: str
    url: str
    cast: Cast | None = None


class Source:
    """Databases of one kind: an empty one and one with the cast are made at first need, then copied."""

    kind: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._prepared: set[str] = set()
        self._number = itertools.count(1)
        self._cast: Cast | None = None

    def fresh(self, with_cast: bool) -> Database:
        """A database that nobody else uses."""
        self._prepare("empty", self._make_empty)
        if with_cast:
            self._prepare("cast", self._make_cast)
        name = self.copy("cast" if with_cast else "empty", f"test{next(self._number)}")
        return Database(self.kind, self.url(name), self._cast if with_cast else None)

    def blank(self) -> Database:
        """A database without tables."""
        name = f"blank{next(self._number)}"
        self.create(name)
        return Database(self.kind, self.url(name))

    def _prepare(self, name: str, make: Callable[[str], None]) -> None:
        if name not in self._prepared:
            make(name)
            self._prepared.add(name)

    def _make_empty(self, name: str) -> None:
        self.create(name)
        make_schema(self.url(name), self.folder)

    def _make_cast(self, name: str) -> None:
        self.copy("empty", name)
        engine = engine_for(self.url(name))
        with Session(engine, expire_on_commit=False) as session:
            self._cast = cast.play(session, datetime.now(UTC))
        engine.dispose()

    def url(self, name: str) -> str:
        """What DATABASE_URL says."""
        raise NotImplementedError

    def create(self, name: str) -> None:
        """Make a database without tables."""
        raise NotImplementedError

    def copy(self, prepared: str, name: str) -> str:
        """Make a database like a prepared one, and say what it is called."""
        raise NotImplementedError

    def keep(self, database: Database) -> None:
        """Remember what is in the database of a running test."""
        raise NotImplementedError

    def put_back(self, database: Database) -> None:
        """Make the database of a running test, which has the cast, what was kept last, or what it was at first."""
        raise NotImplementedError

    def drop(self, database: Database) -> None:
        """Remove what a test leaves."""
        raise NotImplementedError

    def stop(self) -> None:
        """End what runs for it."""


class Files(Source):
    """SQLite."""

    kind = SQLITE

    def url(self, name: str) -> str:
        return f"sqlite:///{self.folder / name}.db"

    def create(self, name: str) -> None:
        """The file comes with the first connection."""

    def copy(self, prepared: str, name: str) -> str:
        # Not a copy of the file: what was written last may stand in the log beside it.
        source, target = (sqlite3.connect(self.folder / f"{each}.db") for each in (prepared, name))
        with contextlib.closing(source), contextlib.closing(target):
            target.execute("PRAGMA synchronous=OFF")
            source.backup(target)
        return name

    def keep(self, database: Database) -> None:
        name = Path(database.url).stem
        self.copy(name, f"{name}.db-kept")

    def put_back(self, database: Database) -> None:
        name = Path(database.url).stem
        is_kept = (self.folder / f"{name}.db-kept.db").exists()
        self.copy(f"{name}.db-kept" if is_kept else "cast", name)

    def drop(self, database: Database) -> None:
        path = Path(database.url.removeprefix("sqlite:///"))
        for left in path.parent.glob(f"{path.name}*"):
            left.unlink()


class Server(Source):
    """PostgreSQL; a database is put back between tests, which is ten times as quick as making one."""

    kind = POSTGRESQL

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = PostgreSQL()
        self._stages: dict[str, Stage] = {}

    def url(self, name: str) -> str:
        return self.server.url(name)

    def create(self, name: str) -> None:
        self.server.create(name)

    def copy(self, prepared: str, name: str) -> str:
        if name == "cast":
            self.server.create(name, prepared)
            return name
        if prepared not in self._stages:
            self.server.create(f"{prepared}_stage", prepared)
            self._stages[prepared] = Stage(self.server.connect(f"{prepared}_stage"))
        else:
            self._stages[prepared].begin()
        return f"{prepared}_stage"

    def keep(self, database: Database) -> None:
        self._stages["cast"].keep()

    def put_back(self, database: Database) -> None:
        self._stages["cast"].put_back()

    def drop(self, database: Database) -> None:
        """The database serves the next test."""

    def stop(self) -> None:
        for stage in self._stages.values():
            stage.connection.close()
        self.server.stop()


class Stage:
    """A PostgreSQL database that remembers its rows and can be put back to them."""

    VACUUM_EVERY = 50
    #: Whoever is in a transaction would keep rows locked; who is idle may stay and need not connect again.
    ALONE = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self._times = 0
        self._tables = self._names("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        self._sequences = self._names("SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'")
        self._first = self._last = self._kept_in("first")

    def begin(self) -> None:
        """Make the rows what they were before any test."""
        self._last = self._first
        self._execute(self.ALONE, *self._first)
        self._times += 1
        if self._times % self.VACUUM_EVERY == 0:
            self._execute("VACUUM")

    def keep(self) -> None:
        """Remember what the rows are now, until the next test begins."""
        self._execute("DROP SCHEMA IF EXISTS last CASCADE")
        self._last = self._kept_in("last")

    def put_back(self) -> None:
        """Make the rows what was kept last."""
        self._execute(f"{self.ALONE} AND state <> 'idle'", *self._last)

    def _kept_in(self, schema: str) -> list[str]:
        """Copy all rows into a schema; the statements that bring them back."""
        self._execute(
            f"CREATE SCHEMA {schema}",
            *(f"CREATE TABLE {schema}.{name} AS TABLE public.{name}" for name in self._tables),
        )
        return [
            "SET session_replication_role = replica",  # no foreign key looks on: order does not matter
            *(f"DELETE FROM public.{name}" for name in self._tables),
            *(f"INSERT INTO public.{name} SELECT * FROM {schema}.{name}" for name in self._full(schema)),
            *(f"SELECT setval('public.{name}', {value}, {called})" for name, value, called in self._values()),
        ]

    def _full(self, schema: str) -> list[str]:
        counts = " UNION ALL ".join(f"SELECT '{n}' WHERE EXISTS (TABLE {schema}.{n})" for n in self._tables)
        return [name for (name,) in self.connection.execute(counts.encode())]

    def _execute(self, *statements: str) -> None:
        self.connection.execute(";".join(statements).encode())

    def _names(self, query: LiteralString) -> list[str]:
        return [name for (name,) in self.connection.execute(query)]

    def _values(self) -> Iterator[tuple[str, int, bool]]:
        for name in self._sequences:
            row = self.connection.execute(f"SELECT last_value, is_called FROM public.{name}".encode()).fetchone()
            assert row is not None
            yield name, *row


class Rewind:
    """Makes the database of a test what it was: when the test began, or when it was kept."""

    def __init__(self, source: Source, database: Database) -> None:
        self._source, self._database = source, database

    def __call__(self) -> None:
        self._source.put_back(self._database)

    def keep(self) -> None:
        """From now on, make it what it is now."""
        self._source.keep(self._database)


def make_schema(url: str, folder: Path) -> None:
    """Bring an empty database to the current schema, by the migrations that a portal runs."""
    migrate.upgrade(settings.load(environ(url, folder)))


def environ(url: str, folder: Path, **more: str) -> dict[str, str]:
    """The environment of a portal under test."""
    known = {"DATABASE_URL": url, "PORTAL_DATA": str(folder), "SECRET_KEY": SECRET_KEY, "SEAL_KEY": SEAL_KEY}
    return {**known, "LOG_LEVEL": "warning", "WORKERS": "1", **more}
