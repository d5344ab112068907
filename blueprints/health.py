"""/healthz says that the process lives, /readyz whether it can serve; one word each, no detail."""

from datetime import timedelta

from flask import Blueprint, Response, current_app, jsonify
from sqlalchemy.exc import SQLAlchemyError

from core import disk, meta
from core.dates import now
from core.db import db
from core.revisions import CURRENT, state_of
from core.settings import Settings

bp = Blueprint("health", __name__)

SILENCE = timedelta(seconds=60)  # after which a worker counts as gone


@bp.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return jsonify(status="ok")


@bp.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Database, migrations, worker and disk; 503 when one of them fails."""
    found = {**_database(), "disk": _has_room()}
    is_ready = all(found.values())
    words = {name: "ok" if is_good else "failed" for name, is_good in found.items()}
    return jsonify(status="ok" if is_ready else "failed", **words), 200 if is_ready else 503


def _database() -> dict[str, bool]:
    found = {"database": False, "migrations": False, "worker": False}
    try:
        found["migrations"] = state_of(db.session.connection()) == CURRENT
        found["database"] = True
        found["worker"] = found["migrations"] and _is_worker_alive()
    except SQLAlchemyError:
        db.session.rollback()
    return found


def _is_worker_alive() -> bool:
    row = meta.read(db.session)
    return row is not None and row.worked_at is not None and now() - row.worked_at < SILENCE


def _has_room() -> bool:
    settings: Settings = current_app.extensions["settings"]
    return disk.has_room(settings.data)
