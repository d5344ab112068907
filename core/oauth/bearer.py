"""Whose request of a program it is: what its `Authorization` header presents.

Two questions: `caller_of` asks the database whether the sign-in still stands; `presented` believes what this process
knew a minute ago, for requests whose own statement asks for the sign-in anyway (`core.seats`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Request, current_app
from flask_babel import gettext as _
from sqlalchemy import bindparam, select, update

from core import dates
from core.db import Mode, db, transaction_mode, writing_apart
from core.denials import Denied
from core.leases import Station
from core.seats.asking import Caller

STATION_PREFIX = "st_"  # by which scanners of source code know a key that somebody left there
LONGEST = 4096  # characters of a header that can be a token
NOTED_EVERY = timedelta(minutes=1)  # how exact a station's last use is
MOST_KNOWN = 10_000  # stations that a process remembers


@dataclass(frozen=True, slots=True)
class Known:
    """A station as a process remembers it."""

    caller: Caller
    at: datetime


def caller_of(request: Request) -> Caller:
    """Who asks; the sign-in or the station stands at this moment.

    :raise Denied: token_invalid.
    """
    return _caller(request, dates.now(), is_checked=True)


def presented(request: Request) -> Caller:
    """Who asks, for who goes on with a statement that sees by itself whether the sign-in stands.

    :raise Denied: token_invalid.
    """
    return _caller(request, dates.now(), is_checked=False)


def refused() -> Denied:
    """What is presented opens nothing; why is not told."""
    return Denied("token_invalid", _("Sign in again."))


def _caller(request: Request, now: datetime, *, is_checked: bool) -> Caller:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() == "bearer" and token.startswith(STATION_PREFIX) and len(token) <= LONGEST:
        return _station(Station.hashed(token), now, is_checked=is_checked)
    raise refused()


# ── stations ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_STATION = select(Station.id, Station.organization_id, Station.used_at).where(
    Station.key_hash == bindparam("key_hash"), Station.revoked_at.is_(None)
)


def _station(key_hash: bytes, now: datetime, *, is_checked: bool) -> Caller:
    remembered: dict[bytes, Known] = current_app.extensions.setdefault("stations", {})
    known = remembered.get(key_hash)
    if not is_checked and known is not None and timedelta() <= now - known.at < NOTED_EVERY:
        return known.caller
    row = _found(key_hash)
    if row is None:
        remembered.pop(key_hash, None)
        raise refused()
    _note_use(row, now)
    if len(remembered) >= MOST_KNOWN:
        remembered.clear()
    caller = Caller(organization_id=row.organization_id, station_id=row.id)
    remembered[key_hash] = Known(caller, now)
    return caller


def _found(key_hash: bytes) -> Any:
    # Apart, and only reading: on SQLite a request that writes would begin by waiting for its turn, for a key that may
    # be nobody's.
    with transaction_mode(Mode.READ), db.engine.connect() as connection:
        return connection.execute(_STATION, {"key_hash": key_hash}).first()


def _note_use(row: Any, now: datetime) -> None:
    if row.used_at is not None and now - row.used_at < NOTED_EVERY:
        return
    with writing_apart() as connection:
        connection.execute(update(Station).where(Station.id == row.id).values(used_at=now))
