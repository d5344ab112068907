"""Things that happen at the same time: threads that start together, each with a session of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from flask import Flask
from sqlalchemy.orm import Session

from core.db import db
from core.errors import RuleBroken

PATIENCE = 30.0  # seconds
Deed = Callable[[Session], object]


def race(app: Flask, deeds: Sequence[Deed]) -> list[str]:
    """Do all deeds at once, each in its transaction; how each ended: `done`, or the name of what refused it."""
    start = threading.Barrier(len(deeds))
    ends = [""] * len(deeds)
    threads = [
        threading.Thread(target=_run, args=(app, deed, start, ends, number)) for number, deed in enumerate(deeds)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return ends


def _run(app: Flask, deed: Deed, start: threading.Barrier, ends: list[str], number: int) -> None:
    with app.app_context():
        start.wait(PATIENCE)
        try:
            done = deed(db.session)
            db.session.commit()
            ends[number] = "done" if done is None else str(done)
        except RuleBroken as refused:
            db.session.rollback()
            ends[number] = type(refused).__name__
        except Exception as error:
            db.session.rollback()
            ends[number] = f"{type(error).__name__}: {error}"
