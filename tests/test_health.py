"""/healthz and /readyz: what a supervisor may rely on, in one word each."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.orm import Session

from blueprints import health
from core import db as database_
from core import disk, meta
from core.dates import now
from core.settings import load
from tests.servers import free_port

Ask = Callable[[], tuple[int, dict[str, str]]]
GOOD = {"status": "ok", "database": "ok", "migrations": "ok", "worker": "ok", "disk": "ok"}


@pytest.fixture
def ready(bare_app: Flask, session: Session, tmp_path: Path) -> Ask:
    """Asks /readyz of a portal whose worker gave a sign of life just now."""
    say_alive(session, timedelta())
    return asker(bare_app, tmp_path)


def asker(app: Flask, folder: Path) -> Ask:
    app.extensions["settings"] = load({"PORTAL_DATA": str(folder)})
    app.register_blueprint(health.bp)

    def ask() -> tuple[int, dict[str, str]]:
        answer = app.test_client().get("/readyz")
        told: Any = answer.json
        return answer.status_code, told

    return ask


def say_alive(session: Session, ago: timedelta) -> None:
    meta.begin(session, now())
    meta.say_alive(session, now() - ago)
    session.commit()


def test_a_portal_that_can_serve_is_ready(ready: Ask) -> None:
    assert ready() == (200, GOOD)


def test_a_silent_worker_is_not_ready(ready: Ask, session: Session) -> None:
    say_alive(session, timedelta(seconds=61))
    assert ready() == (503, {**GOOD, "status": "failed", "worker": "failed"})


def test_another_schema_is_not_ready(ready: Ask, session: Session) -> None:
    session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    session.commit()
    assert ready() == (503, {**GOOD, "status": "failed", "migrations": "failed", "worker": "failed"})


@pytest.mark.on_sqlite
def test_a_full_disk_is_not_ready(ready: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "LEAST_FREE", 100)
    assert ready() == (503, {**GOOD, "status": "failed", "disk": "failed"})


def test_without_its_database_the_process_is_healthy_but_not_ready(tmp_path: Path) -> None:
    app = Flask("portal.tests")
    database_.init_app(app, f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none")
    failed = dict.fromkeys(("status", "database", "migrations", "worker"), "failed")
    assert asker(app, tmp_path)() == (503, {**failed, "disk": "ok"})
    assert app.test_client().get("/healthz").json == {"status": "ok"}


@pytest.mark.on_sqlite
@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:8000", 200), ("localhost", 200), ("[::1]:8000", 200), ("[::2]", 400), ("evil.example", 400)],
)
def test_only_its_own_hosts_are_answered(app: Flask, host: str, status: int) -> None:
    assert app.test_client().get("/healthz", headers={"Host": host}).status_code == status
