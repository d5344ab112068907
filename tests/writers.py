"""A row that tests write to, here and in another thread."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from flask import Flask
from sqlalchemy import select, update

from core.db import db
from models import Organization

PATIENCE = 20.0  # seconds
WAIT = 0.2  # seconds in which somebody who waits has had every chance not to


def put_thing(app: Flask) -> int:
    """A row whose length tests change."""
    with app.app_context():
        row = Organization(name="n", created_at=datetime.now(UTC), phone="0")
        db.session.add(row)
        db.session.commit()
        return row.id


def phone(thing: int) -> str | None:
    """What stands in the row."""
    return db.session.scalar(select(Organization.phone).where(Organization.id == thing))


def write(thing: int, value: str = "1") -> None:
    """Write to the row, and do not commit."""
    db.session.execute(update(Organization).where(Organization.id == thing).values(phone=value))


class Elsewhere:
    """A writer in another thread: writes, then waits to be told to go on."""

    def __init__(self, app: Flask, thing: int, value: str = "elsewhere") -> None:
        self._app, self._thing, self._value = app, thing, value
        self.wrote, self._go_on = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Elsewhere:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        """Let it commit, and wait until it has."""
        self._go_on.set()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        with self._app.app_context():
            write(self._thing, self._value)
            self.wrote.set()
            self._go_on.wait(PATIENCE)
            db.session.commit()
