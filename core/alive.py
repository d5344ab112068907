"""That processes live, and what is forgiven when none did: programs lose no seat because the portal was away.

Every process looks every ten seconds and writes when nobody else has, so a sign of life costs no request anything.
"""

from __future__ import annotations

import logging
import threading
from datetime import timedelta

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from core import meta, probe, rounds
from core.dates import now
from core.db import Mode, db, transaction_mode
from core.meta import ALIVE_EVERY
from core.revisions import CURRENT
from core.seats import sweeping
from core.settings import Settings

log = logging.getLogger("portal.alive")

ENOUGH = ALIVE_EVERY * 1.5  # a sign so new needs no other; with the pause between two looks it is less than AWAY


def begin(app: Flask, settings: Settings, stopping: threading.Event) -> None:
    """Forgive the silence before this web process, before it answers; then see that there is a sign of life."""
    if is_ready(settings):
        rounds.once(app, keep)
    name, every = "sign of life", ALIVE_EVERY.total_seconds()
    # A daemon: there is nothing that its end could lose.
    threading.Thread(target=rounds.repeat, args=(app, stopping, every, keep), name=name, daemon=True).start()


def is_ready(settings: Settings) -> bool:
    """Whether the database can be reached and has the program's schema; a missing file is not made."""
    try:
        return probe.state(settings) == CURRENT
    except SQLAlchemyError:
        return False


def keep() -> None:
    """Note that a process lives unless another one did so just now; a longer silence is forgiven."""
    if silence() > ENOUGH:
        forgive()


def say() -> None:
    """The worker's sign of life, which `/readyz` looks for."""
    if silence() > sweeping.AWAY:
        forgive()
    meta.say_alive(db.session, now())
    db.session.commit()


def silence() -> timedelta:
    """How long ago a process last gave a sign of life; without any, for ever."""
    with transaction_mode(Mode.LATE):  # looking is no writing
        last = meta.last_sign(db.session)
        db.session.rollback()
    return now() - last if last is not None else timedelta.max


def forgive() -> None:
    """Add the time in which no process lived to what would have ended meanwhile; one of several processes does."""
    if gap := sweeping.forgive(db.session, now()):
        log.warning("nothing ran for %s s: leases last that much longer", int(gap.total_seconds()))
