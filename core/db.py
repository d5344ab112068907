"""Engine and session: one write at a time on SQLite, aware UTC times on both databases. Nothing of the domain.

SQLite sells a seat twice when two transactions read before either writes. So a request that may write begins with
`BEGIN IMMEDIATE`, behind a gate that makes the writers of all threads and processes queue fairly instead of polling.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from flask import Flask, g, has_app_context, has_request_context, request
from flask_sqlalchemy_lite import SQLAlchemy
from sqlalchemy import Connection, DateTime, Engine, MetaData, create_engine, event, make_url
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BUSY_TIMEOUT_MS = 10_000  # for who does not know the gate: a backup, a shell
# FULL: a key that was redeemed stays so after a power cut; with WAL, NORMAL may lose the last commits.
PRAGMAS = ("journal_mode=WAL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}", "synchronous=FULL")
#: Options of a statement that finds its rows by index whatever its values are (`core/postgres.py`).
PLANNED_ONCE = {"is_planned_once": True}


class Base(DeclarativeBase):
    """Base of every table; constraints are named so that migrations can find them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Instant(TypeDecorator[datetime]):
    """A moment in UTC; refuses times without a zone, returns aware times on both databases."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC; SQLite has no zone to store it with."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Mode(StrEnum):
    """How a transaction begins on SQLite; PostgreSQL needs no difference."""

    READ = "read"
    WRITE = "write"
    LATE = "late"  # reads see what is committed; the write lock is taken at the first write (sign-in hashes before it)


class WriterGate:
    """Lets one writer in at a time: a lock for the threads, a locked file for the processes of one database."""

    def __init__(self, database: str | None) -> None:
        self._lock = threading.Lock()
        self._path = Path(f"{database}-gate") if database and database != ":memory:" else None
        self._file: Any = None
        self.owner: int | None = None

    def enter(self) -> None:
        """Wait for the turn of this thread."""
        if self.owner == threading.get_ident():
            raise RuntimeError("this thread is writing already: a second connection would wait for it for ever")
        self._lock.acquire()
        self.owner = threading.get_ident()
        if self._path is not None:
            # Stays open: flock is a system call, opening is a walk through the folders.
            self._file = self._file or self._path.open("ab")
            fcntl.flock(self._file, fcntl.LOCK_EX)

    def leave(self) -> None:
        """Let the next one in."""
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self.owner = None
        self._lock.release()

    def close(self) -> None:
        """Let go of the locked file, unless somebody is writing."""
        if self._lock.acquire(blocking=False):
            if self._file is not None:
                self._file.close()
                self._file = None
            self._lock.release()


class GatedConnection(sqlite3.Connection):
    """A SQLite connection that holds the writer gate from BEGIN IMMEDIATE to the end of its transaction."""

    gate: WriterGate
    inside = False
    late = False

    def begin(self, mode: Mode) -> None:
        """Begin as the mode says; a late one begins at its first write."""
        self.late = mode is Mode.LATE
        if mode is Mode.WRITE:
            self.begin_writing()
        elif mode is Mode.READ:
            self.execute("BEGIN DEFERRED")

    def begin_writing(self) -> None:
        """Take the gate, then the write lock."""
        self.late = False
        self.gate.enter()
        self.inside = True
        try:
            self.execute("BEGIN IMMEDIATE")
        except BaseException as error:
            self._leave()
            if isinstance(error, sqlite3.OperationalError):  # as SQLAlchemy tells it of any other statement
                raise OperationalError("BEGIN IMMEDIATE", None, error) from error
            raise

    def commit(self) -> None:
        """Commit; a commit that fails keeps the gate for the rollback that follows."""
        super().commit()
        self._leave()

    def rollback(self) -> None:
        """Roll back and leave the gate."""
        try:
            super().rollback()
        finally:
            self._leave()

    def close(self) -> None:
        """Close and leave the gate."""
        try:
            super().close()
        finally:
            self._leave()

    def _leave(self) -> None:
        self.late = False
        if self.inside:
            self.inside = False
            self.gate.leave()


# Views answer after the commit with the rows at hand; expired ones would each be read again.
db = SQLAlchemy(session_options={"expire_on_commit": False})


def init_app(app: Flask, database_url: str) -> None:
    """Connect the application to its database."""
    app.config["SQLALCHEMY_ENGINES"] = {"default": {"url": database_url, **engine_options(database_url)}}
    db.init_app(app)
    # The extension also closes async sessions, of which there are none, at a third of a millisecond a request.
    app.teardown_appcontext_funcs[:] = [
        f for f in app.teardown_appcontext_funcs if f.__name__ != "_close_async_sessions"
    ]
    with app.app_context():
        prepare(db.engine)


def engine_for(database_url: str) -> Engine:
    """An engine outside of an application: for migrations and checks."""
    engine = create_engine(database_url, **engine_options(database_url))
    prepare(engine)
    return engine


def engine_options(database_url: str) -> dict[str, Any]:
    """What `create_engine` needs for this kind of database."""
    quiet = {"hide_parameters": True}  # errors are logged, and what is sent are names and hashes
    if make_url(database_url).get_backend_name() == "sqlite":
        # With an isolation level the driver begins by itself, and only DEFERRED. The pool may hand a connection on to
        # another thread; no two use it at one time.
        ours = {"factory": GatedConnection, "isolation_level": None, "check_same_thread": False}
        return {**quiet, "connect_args": ours}
    # A restarted server, or a firewall that forgot an idle connection, costs nobody an error page.
    return {**quiet, "pool_pre_ping": True, "pool_recycle": 1800, "connect_args": {"connect_timeout": 10}}


def prepare(engine: Engine) -> None:
    """Attach the pragmas and the transaction modes to a SQLite engine; let PostgreSQL plan some statements once."""
    if engine.dialect.name != "sqlite":
        from core import postgres  # and its driver, which costs a start on SQLite nothing

        postgres.attach(engine, PLANNED_ONCE)
        return
    gate = WriterGate(engine.url.database)

    @event.listens_for(engine, "connect")
    def connected(connection: GatedConnection, _record: Any) -> None:
        connection.gate = gate
        teach(connection)
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "engine_disposed")
    def disposed(_engine: Engine) -> None:
        gate.close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # SQLAlchemy says that it begins and sends nothing; with `isolation_level` None this is the only BEGIN.
        raw(connection).begin(current_mode())

    @event.listens_for(engine, "before_cursor_execute")
    def about_to_write(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        # SELECT … FOR UPDATE locks nothing in SQLite; WITH before a write is nothing that we send.
        if raw(connection).late and statement.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE"}:
            raw(connection).begin_writing()


def teach(connection: sqlite3.Connection) -> None:
    """Give SQLite the function that chains Activity; PostgreSQL computes it by itself."""

    def chain(previous: bytes, front: bytes, number: int, back: bytes) -> bytes:
        return hashlib.sha256(previous + front + str(number).encode() + back).digest()

    connection.create_function("chain", 4, chain, deterministic=True)


def raw(connection: Connection) -> GatedConnection:
    """The SQLite connection below SQLAlchemy's."""
    return cast(GatedConnection, connection.connection.dbapi_connection)


def current_mode() -> Mode:
    """The mode of the next transaction: what was asked for, else by the request's method, else writing."""
    if has_app_context() and (asked := g.get("transaction_mode")) is not None:
        return Mode(asked)
    if has_request_context() and request.method in SAFE_METHODS:
        return Mode.READ
    return Mode.WRITE


@contextlib.contextmanager
def transaction_mode(mode: Mode) -> Iterator[None]:
    """Begin the transactions of this block in another mode; needs an application context."""
    before = g.get("transaction_mode")
    g.transaction_mode = mode
    try:
        yield
    finally:
        g.transaction_mode = before


@contextlib.contextmanager
def writing_apart() -> Iterator[Connection]:
    """A short write transaction of its own beside a reading request: a session's last use, a counted attempt.

    Not inside a transaction that writes already: on SQLite that would wait for itself, so it raises instead.
    """
    with transaction_mode(Mode.WRITE), db.engine.begin() as connection:
        yield connection
