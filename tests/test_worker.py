"""The worker: a process that sends, does what has a time once, says that it lives, and stops when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import jobs, mail, meta, rounds, worker
from core.dates import now
from core.db import db
from core.jobs import DAY, HOUR, Job, JobRun
from core.settings import ROOT, Settings
from models import Account, SignIn
from tests.cast import Cast
from tests.databases import Database, environ
from tests.smtp import Mailbox

NOON = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
PATIENCE = 20.0


def until(is_true: Callable[[], object]) -> None:
    """Wait for a state."""
    end = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(0.02)


# ── jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def counting(done: list[datetime], every: timedelta = HOUR) -> Job:
    def do(_session: Session, at: datetime) -> int:
        done.append(at)
        return 1

    return Job("count", every, do)


def test_a_job_is_done_once_in_its_slot(session: Session) -> None:
    done: list[datetime] = []
    times = [NOON, NOON + timedelta(minutes=20), NOON + timedelta(minutes=40)]
    assert [jobs.run(session, counting(done), at) for at in times] == [True, False, True]
    assert done == [NOON, NOON + timedelta(minutes=40)]


@pytest.mark.parametrize(("every", "begin"), [(HOUR, NOON.replace(minute=0)), (DAY, NOON.replace(hour=0, minute=0))])
def test_a_slot_begins_with_its_hour_or_day(every: timedelta, begin: datetime) -> None:
    assert counting([], every).slot(NOON) == begin


def test_of_many_workers_one_does_the_job(session: Session, database: Database, bare_app: Flask) -> None:
    done: list[datetime] = []
    start = threading.Barrier(4)

    def work() -> None:
        with bare_app.app_context():
            start.wait()
            jobs.run(db.session, counting(done), NOON)

    session.rollback()
    threads = [threading.Thread(target=work) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [NOON]


def test_a_job_that_fails_is_tried_again_and_keeps_no_other_from_its_time(session: Session) -> None:
    done: list[datetime] = []

    def fail(_session: Session, _at: datetime) -> int:
        _session.execute(text("DELETE FROM meta"))
        raise ZeroDivisionError

    failing, counted = Job("fail", HOUR, fail), counting(done)
    assert jobs.run_due(session, NOON, (failing, counted)) == ["count"]
    assert session.scalars(select(JobRun.name)).all() == ["count"]
    assert jobs.take(session, "fail", failing.slot(NOON))


def test_an_account_that_nobody_confirms_is_removed_after_seven_days(session: Session, cast: Cast) -> None:
    made = now()
    account = Account.sign_up(session, "Nina", "nina@example.com", "x", made)
    assert account is not None
    row = mail.confirm(account)
    session.commit()
    others = session.query(Account).count() - 1
    assert jobs.remove_unconfirmed(session, made + timedelta(days=7)) == 0
    assert jobs.remove_unconfirmed(session, made + timedelta(days=7, seconds=1)) == 1
    session.commit()
    assert session.query(Account).count() == others
    session.refresh(row)
    assert row.account_id is None


def test_sign_ins_that_are_long_over_are_removed(session: Session, cast: Cast) -> None:
    account, at = session.get_one(Account, cast.bob.account_id), now()
    for days in (80, 5):
        SignIn.start(account, "Old", "192.0.2.1", at - timedelta(days=days))
    session.flush()
    assert jobs.remove_sign_ins(session, at) == 1


def test_every_job_runs_on_an_empty_database(session: Session) -> None:
    assert jobs.run_due(session, NOON) == [job.name for job in jobs.JOBS]
    assert jobs.run_due(session, NOON) == []


# ── the process ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def process(settings: Settings, database: Database, smtp: Mailbox) -> Iterator[subprocess.Popen[str]]:
    """`./portal worker` on the database of the test."""
    more = environ(database.url, settings.data, **smtp.environ)
    started = subprocess.Popen(
        [sys.executable, "-m", "core.cli", "worker"], cwd=ROOT, text=True, stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **more},
    )  # fmt: skip
    yield started
    if started.poll() is None:
        started.kill()
    started.communicate()


def write(app: Flask, cast: Cast) -> None:
    with app.app_context():
        mail.blocked(db.session.get_one(Account, cast.bob.account_id))
        db.session.commit()


def is_alive(database: Database) -> bool:
    engine = create_engine(database.url)
    with engine.connect() as connection:
        last = connection.scalar(select(meta.Meta.worked_at))
    engine.dispose()
    return last is not None and now() - last < timedelta(seconds=30)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_the_worker_sends_says_that_it_lives_and_stops_cleanly(
    process: subprocess.Popen[str], writing_app: Flask, cast: Cast, smtp: Mailbox, database: Database, number: int
) -> None:
    write(writing_app, cast)
    smtp.wait(1)
    until(lambda: is_alive(database))
    process.send_signal(number)
    _out, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert "Traceback" not in said


def test_the_worker_does_what_has_a_time(
    process: subprocess.Popen[str], writing_app: Flask, cast: Cast, database: Database
) -> None:
    def done() -> set[str]:
        with writing_app.app_context():
            return set(db.session.scalars(select(JobRun.name)))

    until(lambda: done() == {job.name for job in jobs.JOBS})


def test_the_worker_goes_on_when_the_database_comes_back(
    writing_app: Flask, caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    stopping = threading.Event()
    tries: list[int] = []

    def work() -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise OperationalError("SELECT 1", None, Exception("server closed the connection"))
        stopping.set()

    rounds.repeat(writing_app, stopping, 0.01, work)
    said = [record.getMessage() for record in caplog.records if record.name == "portal.rounds"]
    assert len(tries) == 3
    assert said[0] == "the database cannot be used: server closed the connection"
    assert said[1].endswith("goes on")
    assert len(said) == 2


@pytest.mark.on_sqlite
def test_without_a_mail_server_nobody_looks_for_letters(writing_app: Flask, settings: Settings) -> None:
    names = [thread.name for thread in worker.background(writing_app, settings, threading.Event())]
    assert names == ["sign of life", "sweeper"]
