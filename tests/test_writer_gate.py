"""The writer gate of SQLite: one at a time, readers never wait, and whatever fails, it is free again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import insert, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from core import db as database_
from core.db import GatedConnection, Mode, WriterGate, db, engine_for, raw, transaction_mode, writing_apart
from core.settings import ROOT
from models import Account, Organization, Product
from tests import quick
from tests.cast import Cast
from tests.databases import Database
from tests.writers import PATIENCE, WAIT, Elsewhere, phone, put_thing, write

on_sqlite = pytest.mark.on_sqlite


@pytest.fixture
def thing(bare_app: Flask) -> int:
    """A row that tests write to."""
    return put_thing(bare_app)


def gate_of(app: Flask) -> WriterGate:
    with app.app_context(), transaction_mode(Mode.READ), db.engine.connect() as connection:
        return raw(connection).gate


@pytest.fixture
def gate(bare_app: Flask) -> Iterator[WriterGate]:
    """The gate, which has to be free again after the test."""
    found = gate_of(bare_app)
    yield found
    assert found.owner is None


def is_free(gate: WriterGate) -> bool:
    """Whether somebody else could enter now."""
    entered = gate._lock.acquire(blocking=False)
    if entered:
        gate._lock.release()
    return entered


@on_sqlite
def test_get_begins_reading_and_post_begins_writing(bare_app: Flask, gate: WriterGate, thing: int) -> None:
    for method, is_writing in [("GET", False), ("HEAD", False), ("OPTIONS", False), ("POST", True), ("DELETE", True)]:
        with bare_app.test_request_context(method=method):
            assert phone(thing) == "0"
            assert (gate.owner is not None) is is_writing
    assert is_free(gate)


@on_sqlite
def test_reader_never_waits_for_a_writer(bare_app: Flask, gate: WriterGate, thing: int) -> None:
    with Elsewhere(bare_app, thing) as other:
        assert other.wrote.wait(PATIENCE)
        with bare_app.test_request_context():
            assert phone(thing) == "0"


@on_sqlite
def test_writer_waits_for_the_one_before(bare_app: Flask, gate: WriterGate, thing: int) -> None:
    with Elsewhere(bare_app, thing, "first") as first:
        assert first.wrote.wait(PATIENCE)
        with Elsewhere(bare_app, thing, "second") as second:
            assert not second.wrote.wait(WAIT)
            first.finish()
            assert second.wrote.wait(PATIENCE)
    with bare_app.app_context():
        assert phone(thing) == "second"


@on_sqlite
def test_late_transaction_waits_only_with_its_first_write(bare_app: Flask, gate: WriterGate, thing: int) -> None:
    with bare_app.app_context(), transaction_mode(Mode.LATE):
        assert phone(thing) == "0"
        assert is_free(gate)
        write(thing)
        assert not is_free(gate)
        db.session.commit()
        assert is_free(gate)


@on_sqlite
@pytest.mark.parametrize("end", ["commit", "rollback", "close"])
@pytest.mark.parametrize("mode", [Mode.WRITE, Mode.LATE])
def test_gate_is_free_after_every_end(bare_app: Flask, gate: WriterGate, thing: int, end: str, mode: Mode) -> None:
    with bare_app.app_context(), transaction_mode(mode):
        write(thing)
        getattr(db.session, end)()
        assert is_free(gate)


@on_sqlite
def test_gate_is_free_after_a_view_that_failed(bare_app: Flask, gate: WriterGate, thing: int) -> None:
    @bare_app.post("/fails")
    def fails() -> str:
        write(thing)
        raise LookupError("broken")

    assert bare_app.test_client().post("/fails").status_code == 500
    assert is_free(gate)
    with bare_app.app_context():
        assert phone(thing) == "0"


@on_sqlite
@pytest.mark.parametrize("mode", [Mode.WRITE, Mode.LATE])
def test_gate_is_free_after_a_refused_statement(bare_app: Flask, gate: WriterGate, cast: Cast, mode: Mode) -> None:
    with bare_app.app_context(), transaction_mode(mode):
        with pytest.raises(IntegrityError):
            db.session.execute(update(Product).values(code="same"))
        db.session.rollback()
        assert is_free(gate)


@on_sqlite
def test_gate_is_free_when_another_program_has_the_file(
    bare_app: Flask, database: Database, gate: WriterGate, thing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = database.url.removeprefix("sqlite:///")
    monkeypatch.setattr(database_, "PRAGMAS", ("foreign_keys=ON", "busy_timeout=1"))
    with bare_app.app_context():
        db.engine.dispose()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with bare_app.app_context():
        with pytest.raises(OperationalError, match="locked"):
            write(thing)
        assert is_free(gate)
        other.close()
        db.session.rollback()
        write(thing)
        db.session.commit()


@on_sqlite
def test_second_writer_of_one_thread_is_told_and_does_not_wait_for_ever(
    bare_app: Flask, gate: WriterGate, thing: int
) -> None:
    with bare_app.app_context():
        write(thing)
        with pytest.raises(RuntimeError, match="writing already"), writing_apart():
            pass
        db.session.rollback()


@on_sqlite
def test_reading_request_can_write_apart(bare_app: Flask, gate: WriterGate, thing: int) -> None:
    with bare_app.test_request_context():
        assert phone(thing) == "0"
        with writing_apart() as connection:
            connection.execute(update(Organization).values(phone="apart"))
        assert is_free(gate)
        assert phone(thing) == "0"  # still the picture it began with
        db.session.rollback()
        assert phone(thing) == "apart"


@on_sqlite
def test_what_was_written_apart_and_failed_is_undone(bare_app: Flask, gate: WriterGate, thing: int) -> None:
    with bare_app.test_request_context():
        with contextlib.suppress(LookupError), writing_apart() as connection:
            connection.execute(update(Organization).values(phone="apart"))
            raise LookupError
        assert phone(thing) == "0"


HOLD = """
import sys
from sqlalchemy import text
from core.db import engine_for
with engine_for(sys.argv[1]).connect() as connection:
    connection.execute(text("UPDATE organization SET phone = 'held'"))
    print("held", flush=True)
    sys.stdin.read()
"""


@on_sqlite
def test_gate_of_a_killed_process_is_free(bare_app: Flask, database: Database, gate: WriterGate, thing: int) -> None:
    command = [sys.executable, "-c", HOLD, database.url]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with Elsewhere(bare_app, thing) as other:
            assert not other.wrote.wait(WAIT)
            assert is_locked(database)
            holder.send_signal(signal.SIGKILL)
            assert other.wrote.wait(PATIENCE)
    with bare_app.app_context():
        assert phone(thing) == "elsewhere"


def is_locked(database: Database) -> bool:
    """Whether some process has the gate of this database."""
    with Path(database.url.removeprefix("sqlite:///") + "-gate").open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


@on_sqlite
def test_gates_file_stands_beside_the_database(bare_app: Flask, database: Database, thing: int) -> None:
    assert Path(database.url.removeprefix("sqlite:///") + "-gate").exists()


@on_sqlite
def test_engine_that_is_let_go_closes_the_gates_file(database: Database) -> None:
    engine = engine_for(database.url)
    with engine.begin() as connection:
        connection.execute(insert(Product).values(code="c", name="n"))
        gate = raw(connection).gate
    assert gate._file is not None
    engine.dispose()
    assert gate._file is None


@pytest.fixture
def as_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings of connections that tests otherwise do without."""
    monkeypatch.setattr(database_, "PRAGMAS", quick.PRAGMAS)


@on_sqlite
def test_sqlite_is_set_for_safety(as_shipped: None, bare_app: Flask, cast: Cast) -> None:
    with bare_app.app_context():
        connection = db.session.connection()
        assert isinstance(raw(connection), GatedConnection)
        pragmas = {name: connection.scalar(text(f"PRAGMA {name}")) for name in ("journal_mode", "synchronous")}
        assert pragmas == {"journal_mode": "wal", "synchronous": 2}


def test_rows_keep_their_values_after_commit(session: Session, cast: Cast) -> None:
    account = session.get_one(Account, cast.bob.account_id)
    session.commit()
    assert account.__dict__["email"] == cast.bob.email
