"""Signs of life: every process sees to it that there is one, and a longer silence is forgiven before answers."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from core import alive, meta, worker
from core.dates import now
from core.leases import LEASE, Lease
from core.meta import Meta
from core.settings import Settings
from tests import sessions
from tests.cast import Cast
from tests.statements import counted, engine_of

QUARTER = timedelta(minutes=15)


@pytest.fixture
def quiet(on_app: Session, cast: Cast) -> int:
    """A session of bob's that was renewed when a process last lived, a quarter of an hour ago; its id."""
    then = now() - QUARTER
    lease_id = sessions.begin(on_app, cast, "bob", "cloud", renewed_at=then, expires_at=then + LEASE)
    on_app.execute(update(Meta).values(last_alive=now() - QUARTER, worked_at=now() - QUARTER))
    on_app.commit()
    return lease_id


def stopped() -> threading.Event:
    """Of a process that ends as soon as it has begun, so that no thread outlives its test."""
    event = threading.Event()
    event.set()
    return event


def last_sign(on_app: Session) -> datetime | None:
    on_app.rollback()
    return meta.last_sign(on_app)


def lease(on_app: Session, lease_id: int) -> Lease:
    on_app.rollback()
    return on_app.get_one(Lease, lease_id, populate_existing=True)


def test_web_process_forgives_before_it_answers(app: Flask, settings: Settings, quiet: int, on_app: Session) -> None:
    alive.begin(app, settings, stopped())
    assert lease(on_app, quiet).expires_at > now() + LEASE / 2
    assert now() - (last_sign(on_app) or now() - QUARTER) < alive.ENOUGH


def test_worker_forgives_before_it_sweeps(app: Flask, quiet: int, on_app: Session) -> None:
    with app.app_context():
        alive.say()
        worker.sweep()
    assert lease(on_app, quiet).ended_at is None


def test_worker_ends_what_nobody_renewed(app: Flask, quiet: int, on_app: Session) -> None:
    on_app.execute(update(Meta).values(last_alive=now()))
    on_app.commit()
    with app.app_context():
        alive.say()
        worker.sweep()
    assert lease(on_app, quiet).ended_reason == "expired"


def test_web_process_leaves_the_sign_to_who_gave_one_just_now(app: Flask, on_app: Session, cast: Cast) -> None:
    with app.app_context():
        alive.say()
    before = last_sign(on_app)
    with counted(engine_of(app)) as seen, app.app_context():
        alive.keep()
    assert (len(seen), last_sign(on_app)) == (1, before)


def test_sign_of_a_web_process_is_not_the_workers(app: Flask, settings: Settings, quiet: int, on_app: Session) -> None:
    alive.begin(app, settings, stopped())
    row = meta.read(on_app)
    assert row is not None
    assert row.worked_at is not None
    assert now() - row.worked_at >= QUARTER


@pytest.mark.on_sqlite
def test_missing_database_is_not_made(settings: Settings, tmp_path: Path) -> None:
    assert not alive.is_ready(replace(settings, database_url=f"sqlite:///{tmp_path}/missing.db"))
    assert not (tmp_path / "missing.db").exists()
