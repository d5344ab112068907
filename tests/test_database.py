"""Transactions: aware times and one truth, whatever the mode, on both databases."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from flask import Flask, g
from sqlalchemy import func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError
from sqlalchemy.orm import Session

from core.db import Mode, db, transaction_mode
from core.settings import ROOT
from models import Organization
from tests.databases import Database
from tests.writers import PATIENCE, Elsewhere, phone, put_thing, write


@pytest.fixture
def thing(bare_app: Flask) -> int:
    """A row that tests write to."""
    return put_thing(bare_app)


def test_times_come_back_aware_and_in_utc(session: Session) -> None:
    there = datetime(2026, 3, 29, 3, 30, 15, 123456, tzinfo=timezone(timedelta(hours=2)))
    row = Organization(name="n", created_at=there)
    session.add(row)
    session.commit()
    session.refresh(row)
    assert (row.created_at, row.created_at.utcoffset()) == (there, timedelta(0))


def test_time_without_a_zone_is_refused(session: Session) -> None:
    session.add(Organization(name="n", created_at=datetime(2026, 1, 1)))
    with pytest.raises(StatementError, match="needs a time zone"):
        session.flush()


def test_times_are_compared_by_the_database_as_instants(session: Session) -> None:
    there = datetime(2026, 3, 29, 3, 30, tzinfo=timezone(timedelta(hours=2)))
    session.add(Organization(name="n", created_at=there))
    session.flush()
    later = select(func.count()).where(Organization.created_at > datetime(2026, 3, 29, 1, 29, tzinfo=UTC))
    assert session.scalar(later) == 1
    assert session.scalar(select(func.count()).where(Organization.created_at > there)) == 0


def test_foreign_keys_are_kept(session: Session) -> None:
    with pytest.raises(IntegrityError):
        session.execute(text("INSERT INTO license (key_id, position, product_id, type, seats, serial, start_on) "
                             "VALUES (1, 1, 1, 'trial', 1, 's', '2026-01-01')"))  # fmt: skip


@pytest.mark.parametrize("mode", list(Mode))
def test_every_mode_reads_and_what_may_write_commits(bare_app: Flask, thing: int, mode: Mode) -> None:
    with bare_app.app_context(), transaction_mode(mode):
        assert phone(thing) == "0"
        if mode is not Mode.READ:
            write(thing)
            db.session.commit()
    with bare_app.app_context():
        assert phone(thing) == ("0" if mode is Mode.READ else "1")


@pytest.mark.parametrize("mode", [Mode.WRITE, Mode.LATE])
def test_rollback_takes_everything_back(bare_app: Flask, thing: int, mode: Mode) -> None:
    with bare_app.app_context(), transaction_mode(mode):
        write(thing)
        db.session.rollback()
        assert phone(thing) == "0"


def test_late_transaction_sees_what_was_committed_while_it_only_read(bare_app: Flask, thing: int) -> None:
    with bare_app.app_context(), transaction_mode(Mode.LATE):
        assert phone(thing) == "0"
        with Elsewhere(bare_app, thing) as other:
            assert other.wrote.wait(PATIENCE)
        db.session.rollback()
        assert phone(thing) == "elsewhere"


def test_two_threads_count_together(bare_app: Flask, thing: int) -> None:
    def count() -> None:
        for _ in range(10):
            with bare_app.app_context():
                row = Organization.locked(db.session, thing)
                row.phone = str(int(row.phone) + 1)
                db.session.commit()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    with bare_app.app_context():
        assert phone(thing) == "40"


COUNT = """
import sys
from sqlalchemy.orm import Session
from core.db import engine_for
from models import Organization
engine = engine_for(sys.argv[1])
for _ in range(int(sys.argv[3])):
    with Session(engine) as session:
        row = Organization.locked(session, int(sys.argv[2]))
        row.phone = str(int(row.phone) + 1)
        session.commit()
"""


def test_two_processes_count_together(bare_app: Flask, database: Database, thing: int) -> None:
    command = [sys.executable, "-c", COUNT, database.url, str(thing), "20"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen(command, env=environ, cwd=ROOT) for _ in range(2)]
    assert [process.wait(PATIENCE) for process in both] == [0, 0]
    with bare_app.app_context():
        assert phone(thing) == "40"


def test_modes_are_what_they_were_after_a_block(bare_app: Flask) -> None:
    with bare_app.app_context():
        with transaction_mode(Mode.LATE):
            pass
        assert g.transaction_mode is None


def test_errors_of_the_database_say_nothing_of_what_was_sent(session: Session) -> None:
    with pytest.raises(DBAPIError) as caught:
        session.execute(text("SELECT nothing FROM nowhere WHERE it = :secret"), {"secret": "a key\nand a line"})
    assert "a key" not in str(caught.value)
